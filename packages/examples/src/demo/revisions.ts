import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** The commits that the demo checks. */
export interface Revisions {
  /** As many as were asked for; the newest first. */
  readonly commits: readonly string[];
  /** How many different ones they are: fewer when history is short. */
  readonly distinct: number;
}

/** The last `count` commits of a repository; they repeat when there are fewer. */
export async function lastCommits(repository: string, count: number): Promise<Revisions> {
  const args = ['-C', repository, 'rev-list', `--max-count=${count}`, 'HEAD', '--'];
  const { stdout } = await promisify(execFile)('git', args).catch((error: unknown) => {
    throw new Error(`${repository} is no git repository with a commit in it`, { cause: error });
  });
  const distinct = stdout.split('\n').filter((line) => line !== '');
  if (distinct.length === 0) throw new Error(`${repository} has no commits`);
  const commits = Array.from(
    { length: count },
    (_, index) => distinct[index % distinct.length] ?? '',
  );
  return { commits, distinct: distinct.length };
}
