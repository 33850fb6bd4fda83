import { type GitRepository, streamGit } from './git.ts';
import type { TreeFile } from './tree-file.ts';

/** A file with its content; undefined where the object isn't in this copy of the repository. */
export interface FileContent {
  readonly file: TreeFile;
  readonly content: Buffer | undefined;
}

/**
 * Reads the content of `files`, one after another, by a single `git cat-file --batch`. At most one
 * file's content and one piece of git's output are in memory at a time.
 */
export async function* readContents(
  repository: GitRepository,
  files: readonly TreeFile[],
): AsyncGenerator<FileContent> {
  if (files.length === 0) return;
  const output = new BatchReader(
    streamGit(repository, ['cat-file', '--batch', '--buffer'], objectNames(files)),
  );
  try {
    for (const file of files) {
      // `<object id> blob <size>`, or `<object id> missing` in a partial clone.
      const header = (await output.readLine()).split(' ');
      if (header[1] === 'missing') {
        yield { file, content: undefined };
        continue;
      }
      const content = await output.readBytes(Number(header[2]));
      await output.readLine();
      yield { file, content };
    }
  } finally {
    await output.close();
  }
}

function* objectNames(files: readonly TreeFile[]): Generator<string> {
  for (const file of files) yield `${file.objectId}\n`;
}

/** Lines and counted bytes out of a stream of pieces. */
class BatchReader {
  readonly #pieces: AsyncGenerator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(pieces: AsyncGenerator<Buffer>) {
    this.#pieces = pieces;
  }

  /** The next line, without its end. Throws when the stream is over before one was complete. */
  async readLine(): Promise<string> {
    let end = this.#rest.indexOf('\n');
    while (end < 0) {
      this.#rest = Buffer.concat([this.#rest, await this.#nextPiece()]);
      end = this.#rest.indexOf('\n');
    }
    const line = this.#rest.toString('latin1', 0, end);
    this.#rest = this.#rest.subarray(end + 1);
    return line;
  }

  /** The next `length` bytes. Throws when the stream is over before. */
  async readBytes(length: number): Promise<Buffer> {
    const pieces = [this.#rest];
    let available = this.#rest.length;
    while (available < length) {
      const piece = await this.#nextPiece();
      pieces.push(piece);
      available += piece.length;
    }
    const all = pieces.length === 1 ? this.#rest : Buffer.concat(pieces);
    this.#rest = all.subarray(length);
    return all.subarray(0, length);
  }

  async close(): Promise<void> {
    await this.#pieces.return(undefined);
  }

  async #nextPiece(): Promise<Buffer> {
    const next = await this.#pieces.next();
    if (next.done) throw new Error('git cat-file ended before it had answered for every object');
    return next.value;
  }
}
