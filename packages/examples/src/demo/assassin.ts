// Kills one worker process at a moment that the witness chooses: while it holds several jobs, at least
// one of them with a task committed, so that there is something to lose and something to keep.
import { sleep, systemClock } from '@holdfast/core';
import type { InFlight, Witness } from './witness.ts';

/** What was killed, and what it held. */
export interface Kill {
  readonly pid: number;
  readonly atUnixMs: number;
  /** Tasks that it had started and not committed. */
  readonly inFlight: readonly InFlight[];
}

// Long enough for the lines that a stopped process has written to be read, and far below any lease.
const SETTLE_MS = 20;
const MIN_JOBS_HELD = 2;
// The fleet is warm by then.
const MIN_COMMITS_BEFORE = 12;

/** Kills once; asked again and again while the jobs run. */
export class Assassin {
  readonly #witness: Witness;
  #kill: Kill | undefined;
  #isBusy = false;

  constructor(witness: Witness) {
    this.#witness = witness;
  }

  get kill(): Kill | undefined {
    return this.#kill;
  }

  /**
   * Looks whether `pid`, a process that has just started a task, holds enough. It is stopped first,
   * so that what it holds can't change between the look and the kill, and goes on when it has
   * finished too much by then.
   */
  async consider(pid: number): Promise<void> {
    if (this.#isBusy || this.#kill || !this.#holdsEnough(pid)) return;
    this.#isBusy = true;
    try {
      process.kill(pid, 'SIGSTOP');
      await sleep(systemClock, SETTLE_MS);
      if (this.#holdsEnough(pid)) {
        const atUnixMs = systemClock.nowUnixMs();
        process.kill(pid, 'SIGKILL');
        this.#kill = { pid, atUnixMs, inFlight: this.#witness.inFlightOf(pid) };
      } else {
        process.kill(pid, 'SIGCONT');
      }
    } finally {
      this.#isBusy = false;
    }
  }

  #holdsEnough(pid: number): boolean {
    const jobs = new Set(this.#witness.inFlightOf(pid).map((each) => each.jobId));
    return (
      this.#witness.commits >= MIN_COMMITS_BEFORE &&
      jobs.size >= MIN_JOBS_HELD &&
      [...jobs].some((jobId) => this.#witness.hasCommitted(pid, jobId))
    );
  }
}
