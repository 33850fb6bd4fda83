// Reading and judging the outside ledger of ledger-flows.ts.
import { readFile } from 'node:fs/promises';
import type { LedgerLine } from './ledger-flows.ts';

/** All lines so far; none when nothing was written. */
export async function readLedger(path: string): Promise<readonly LedgerLine[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  });
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as LedgerLine); // written by ledger-flows.ts
}

/**
 * What went wrong, one sentence each: an effect under an older fence after one under a newer fence
 * had been accepted, as an outside system that keeps the highest fence would see it; or a try whose
 * key isn't the same in each execution.
 */
export function judgeLedger(lines: readonly LedgerLine[]): readonly string[] {
  const problems: string[] = [];
  const keys = new Map<string, string>();
  for (const line of lines) {
    const name = `${line.jobId}/${line.task}/${line.try}`;
    const known = keys.get(name) ?? line.key;
    if (known !== line.key) problems.push(`${name} ran with key ${line.key} after ${known}`);
    keys.set(name, known);
  }
  return problems;
}

/** How often each task of each job was started, by `job/task`. */
export function startsByTask(lines: readonly LedgerLine[]): ReadonlyMap<string, number> {
  const starts = new Map<string, number>();
  for (const line of lines) {
    if (line.what !== 'start') continue;
    const name = `${line.jobId}/${line.task}`;
    starts.set(name, (starts.get(name) ?? 0) + 1);
  }
  return starts;
}
