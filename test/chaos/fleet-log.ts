// What the workers themselves report in their logs: which results and which ends they saw committed, and
// which attempts they gave up because they were superseded.
import type { LogLine } from '../support/cluster.ts';
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
        this.#commits.push({ jobId, attempt, task: String(line['task']) });
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
