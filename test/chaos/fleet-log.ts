// What the workers themselves report in their logs: which results and which ends they saw committed, and
// which attempts they gave up because they were superseded.
import type { LogLine } from '../support/cluster.ts';
import { isController, isRemote } from './flow-facts.ts';
import type { CommitRecord, EndRecord } from './history.ts';

/** What was read since the last call. */
export interface FleetReport {
  readonly commits: readonly CommitRecord[];
  readonly ends: readonly EndRecord[];
  readonly fencedAttempts: number;
}

/** Sums up the lines of one round; others than those that count are forgotten. */
export class FleetLog {
  #commits: CommitRecord[] = [];
  #ends: EndRecord[] = [];
  #fencedAttempts = 0;

  add(lines: readonly LogLine[]): void {
    for (const line of lines) {
      const jobId = String(line['jobId']);
      const attempt = Number(line['attempt']);
      if (line.msg === 'task committed' && line['state'] === 'success') {
        const task = String(line['task']);
        const parentId = line['parentId'];
        // The parent commits it once more, as what its task job said.
        if (isController(task) || (parentId === undefined && isRemote(task))) continue;
        const owner = typeof parentId === 'string' ? parentId : jobId;
        this.#commits.push({ jobId: owner, attempt, task, try: Number(line['try']) });
      } else if (line.msg === 'job ended') {
        this.#ends.push({ jobId, attempt, outcome: String(line['outcome']) });
      } else if (line.msg.startsWith('attempt lost')) {
        this.#fencedAttempts += 1;
      }
    }
  }

  take(): FleetReport {
    const taken = {
      commits: this.#commits,
      ends: this.#ends,
      fencedAttempts: this.#fencedAttempts,
    };
    this.#commits = [];
    this.#ends = [];
    this.#fencedAttempts = 0;
    return taken;
  }
}
