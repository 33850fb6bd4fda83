// Runs one command for a suite: everything it says goes to a log file under build/logs, and at most
// OUTPUT_LIMIT_BYTES of it to the terminal, so that a failing run stays readable.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { finished } from 'node:stream/promises';

/** The top of the repository. */
export const ROOT: string = new URL('..', import.meta.url).pathname;

/** Where the logs and the reports of a run go. */
export const LOGS: string = join(ROOT, 'build/logs');

/** Of a longer output the terminal shows this much from its start and half as much from its end. */
const OUTPUT_LIMIT_BYTES = 100_000;

export interface CommandOptions {
  /** Name of the log file, without its ending. */
  readonly log: string;
  /** Working directory, the top of the repository by default. */
  readonly cwd?: string | undefined;
  /** Called with what may be shown, as it comes. Without it the output is only kept for the result. */
  readonly show?: ((text: string) => void) | undefined;
}

export interface CommandResult {
  readonly ok: boolean;
  /** What may be shown of the output. */
  readonly output: string;
}

/** Runs `[program, …arguments]`; programs of node_modules/.bin come first, the pinned Node among them. */
export async function runCommand(
  command: readonly [string, ...string[]],
  options: CommandOptions,
): Promise<CommandResult> {
  mkdirSync(LOGS, { recursive: true });
  const logPath = join(LOGS, `${options.log}.log`);
  const log = createWriteStream(logPath);
  const excerpt = new Excerpt(relative(ROOT, logPath), options.show);
  const [program, ...args] = command;
  const child = spawn(program, args, {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, PATH: searchPath(), NO_COLOR: '1', FORCE_COLOR: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      log.write(text);
      excerpt.add(text);
    });
  }
  const problem = await ending(child);
  if (problem !== undefined) excerpt.add(`${program}: ${problem}\n`);
  log.end();
  await finished(log);
  return { ok: problem === undefined, output: excerpt.end() };
}

function searchPath(): string {
  return [join(ROOT, 'node_modules/.bin'), process.env['PATH'] ?? ''].join(delimiter);
}

/** Undefined after exit status 0, else what went wrong. */
async function ending(child: ReturnType<typeof spawn>): Promise<string | undefined> {
  return await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (status, signal) =>
      resolve(status === 0 ? undefined : `ended with ${signal ?? `exit status ${status}`}`),
    );
  });
}

/** The start and the end of a text that may be long; what is left out is said. */
class Excerpt {
  readonly #logPath: string;
  readonly #show: (text: string) => void;
  #shown = '';
  #tail = '';
  #leftOut = 0;

  constructor(logPath: string, show: ((text: string) => void) | undefined) {
    this.#logPath = logPath;
    this.#show = show ?? (() => undefined);
  }

  add(text: string): void {
    if (this.#leftOut === 0 && this.#shown.length + text.length <= OUTPUT_LIMIT_BYTES) {
      this.#emit(text);
      return;
    }
    this.#leftOut += text.length;
    this.#tail = (this.#tail + text).slice(-OUTPUT_LIMIT_BYTES / 2);
  }

  end(): string {
    if (this.#leftOut > 0) {
      const missing = this.#leftOut - this.#tail.length;
      if (missing > 0) this.#emit(`\n… ${missing} characters more, see ${this.#logPath} …\n`);
      this.#emit(this.#tail);
    }
    return this.#shown;
  }

  #emit(text: string): void {
    this.#shown += text;
    this.#show(text);
  }
}
