import { TerminalError } from '@holdfast/core';
import { GitError, type GitRepository, readGit } from './git.ts';

/** The commit that is checked. */
export interface Commit {
  /** Full object id, in hex. */
  readonly id: string;
  /** When it was committed: what ages are counted to. */
  readonly unixSeconds: number;
}

/**
 * Resolves a revision to a commit. Throws a TerminalError, which nobody tries again, when the path
 * is not the top of a git repository or the revision names no commit in it.
 */
export async function resolveCommit(repository: GitRepository, revision: string): Promise<Commit> {
  const prefix = await orTerminal(
    readGit(repository, ['rev-parse', '--show-prefix']),
    (complaint) => `${repository.path} is not a git repository that can be read: ${complaint}`,
  );
  if (prefix.trim() !== '') {
    throw new TerminalError(
      `${repository.path} is a folder inside a git repository; give the repository's top folder`,
    );
  }
  // The revision is the user's: after --end-of-options it can't be taken for an option.
  const verify = ['rev-parse', '--verify', '--end-of-options', `${revision}^{commit}`];
  const id = await orTerminal(
    readGit(repository, verify),
    (complaint) =>
      `revision ${JSON.stringify(revision)} names no commit of ${repository.path}: ${complaint}`,
  );
  return { id: id.trim(), unixSeconds: await readCommitTime(repository, id.trim()) };
}

/** From the commit object itself, which no setting of git's can decorate. */
async function readCommitTime(repository: GitRepository, id: string): Promise<number> {
  const object = await readGit(repository, ['cat-file', 'commit', id]);
  const seconds = /^committer .* (\d+) [+-]\d{4}$/m.exec(object)?.[1];
  if (seconds === undefined) throw new TerminalError(`commit ${id} has no committer time`);
  return Number(seconds);
}

async function orTerminal(
  output: Promise<string>,
  message: (complaint: string) => string,
): Promise<string> {
  try {
    return await output;
  } catch (error) {
    // Anything else, such as git missing on this machine, may go better elsewhere: default policy.
    if (!(error instanceof GitError) || error.kind !== 'refused') throw error;
    throw new TerminalError(message(error.complaint), { cause: error });
  }
}
