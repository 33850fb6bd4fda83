// Runs git, and nothing else: arguments go straight to the program and never through a shell, the
// caller's signal kills it, and its output is streamed or bounded. Only commands that read objects
// are run through here, so a repository is never changed and needs no checkout.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CHECK_LIMITS } from './limits.ts';

/** The repository that a command reads, and what stops it. */
export interface GitRepository {
  /** Absolute path of a repository's top folder, or of a bare repository. */
  readonly path: string;
  readonly signal: AbortSignal;
}

/** A git command failed. */
export class GitError extends Error {
  override readonly name: string = 'GitError';
  /** 'refused': git ran and said no. 'broken': it could not be run, was killed, or said too much. */
  readonly kind: 'refused' | 'broken';
  /** What git said, without "fatal:", on one line. */
  readonly complaint: string;

  constructor(command: string, problem: { kind: 'refused' | 'broken'; complaint: string }) {
    super(`git ${command}: ${problem.complaint}`);
    this.kind = problem.kind;
    this.complaint = problem.complaint;
  }
}

// The environment of a git that knows no repository but the one it is given, asks nobody for a
// password, fetches nothing, and speaks English.
const UNWANTED_VARIABLES = ['GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE', 'GIT_NAMESPACE'];
const SETTINGS = ['-c', 'core.fsmonitor=false', '-c', 'blame.ignoreRevsFile='];

function gitEnvironment(): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { ...process.env };
  for (const name of UNWANTED_VARIABLES) delete environment[name];
  return Object.assign(environment, {
    GIT_NO_LAZY_FETCH: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_TERMINAL_PROMPT: '0',
    LC_ALL: 'C',
  });
}

/**
 * The output of one git command in pieces, as it comes; `input` is fed to it meanwhile.
 * Throws a {@link GitError} when git fails, and the signal's reason when that aborts. Leaving the
 * loop early ends git; in every case git has ended when the loop is over.
 */
export async function* streamGit(
  repository: GitRepository,
  args: readonly string[],
  input?: Iterable<string>,
): AsyncGenerator<Buffer> {
  repository.signal.throwIfAborted();
  const child = spawn('git', [...SETTINGS, '-C', repository.path, ...args], {
    env: gitEnvironment(),
    signal: repository.signal,
  });
  const ended = waitForEnd(child);
  const complaint = collectComplaint(child);
  const fed = pipeline(Readable.from(input ?? []), child.stdin).catch(() => {
    // git closed its input early; its exit status, read below, tells whether that was an error.
  });
  try {
    for await (const piece of child.stdout) yield piece as Buffer; // no encoding is set
    const end = await ended;
    repository.signal.throwIfAborted();
    if (end.kind === 'refused') {
      throw new GitError(args[0] ?? '', { ...end, complaint: complaint() || end.complaint });
    }
    if (end.kind === 'broken') throw new GitError(args[0] ?? '', end);
  } finally {
    child.kill();
    await ended;
    await fed;
  }
}

/** The whole output of a git command, as text. Throws as {@link streamGit} does. */
export async function readGit(repository: GitRepository, args: readonly string[]): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of streamGit(repository, args)) {
    bytes += piece.length;
    if (bytes > CHECK_LIMITS.gitOutputBytes) {
      const complaint = `its output has more than the ${CHECK_LIMITS.gitOutputBytes} bytes allowed`;
      throw new GitError(args[0] ?? '', { kind: 'broken', complaint });
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

type GitEnd =
  | { readonly kind: 'ok' }
  | { readonly kind: 'refused' | 'broken'; readonly complaint: string };

/** How the program ended; never rejects. */
function waitForEnd(child: ChildProcessWithoutNullStreams): Promise<GitEnd> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      // Only a program that could not even be started has no id; an aborted one gets to 'close'.
      if (child.pid === undefined) resolve({ kind: 'broken', complaint: error.message });
    });
    child.once('close', (status, signal) => {
      if (status === 0) resolve({ kind: 'ok' });
      else if (signal) resolve({ kind: 'broken', complaint: `ended by ${signal}` });
      else resolve({ kind: 'refused', complaint: `exit status ${status}` });
    });
  });
}

function collectComplaint(child: ChildProcessWithoutNullStreams): () => string {
  let text = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (piece: string) => {
    text = (text + piece).slice(0, CHECK_LIMITS.gitErrorBytes);
  });
  return () => (text.split('\n', 1)[0] ?? '').replace(/^(?:fatal|error): /, '').trim();
}
