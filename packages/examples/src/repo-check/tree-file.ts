import { type GitRepository, streamGit } from './git.ts';
import { CHECK_LIMITS } from './limits.ts';

/** A regular file of a commit. */
export interface TreeFile {
  readonly path: string;
  readonly objectId: string;
  readonly sizeBytes: number;
  /** False when the path isn't UTF-8 and so can't be handed back to git. */
  readonly isPathExact: boolean;
}

/** The files of a commit, in git's order of paths. */
export interface Tree {
  readonly files: readonly TreeFile[];
  /** Files beyond `CHECK_LIMITS.files`. */
  readonly filesLeftOut: number;
  /** Symbolic links and submodules, which have no content of their own here. */
  readonly linksAndSubmodules: number;
}

/** Lists the files of `commit` from git's tree objects. */
export async function readTree(repository: GitRepository, commit: string): Promise<Tree> {
  const files: TreeFile[] = [];
  let filesLeftOut = 0;
  let linksAndSubmodules = 0;
  const args = ['ls-tree', '-r', '-l', '-z', '--full-tree', commit];
  for await (const record of splitAtNul(streamGit(repository, args))) {
    const file = parseTreeRecord(record);
    if (!file) linksAndSubmodules += 1;
    else if (files.length < CHECK_LIMITS.files) files.push(file);
    else filesLeftOut += 1;
  }
  return { files, filesLeftOut, linksAndSubmodules };
}

async function* splitAtNul(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    const text = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    let start = 0;
    for (let end = text.indexOf(0); end >= 0; end = text.indexOf(0, start)) {
      yield text.subarray(start, end);
      start = end + 1;
    }
    rest = text.subarray(start);
  }
  if (rest.length > 0) yield rest;
}

/** `<mode> blob <object id> <size>\t<path>`; undefined for what is not a regular file. */
function parseTreeRecord(record: Buffer): TreeFile | undefined {
  const tab = record.indexOf('\t');
  const [mode, , objectId, size] = record.toString('latin1', 0, tab).split(/ +/);
  if (!mode?.startsWith('100') || objectId === undefined) return undefined;
  const rawPath = record.subarray(tab + 1);
  const path = rawPath.toString('utf8');
  const isPathExact = Buffer.from(path, 'utf8').equals(rawPath);
  return { path, objectId, sizeBytes: Number(size), isPathExact };
}
