// Kills one worker process at a moment that the witness chooses: while it holds several jobs, at least
// one of them with a task committed, so that there is something to lose and something to keep; and
// while the other workers have places for all of its jobs, so that a takeover doesn't wait for a place
// and what is measured is Holdfast, not the length of a queue.
import { sleep, systemClock } from '@holdfast/core';
import type { InFlight, Witness } from './witness.ts';

/** What was killed, and what it held. */
export interface Kill {
  readonly pid: number;
  readonly atUnixMs: number;
  /** Tasks that it had started and not committed. */
  readonly inFlight: readonly InFlight[];
}

export interface AssassinOptions {
  /** All of them have to have started, so that none waits for a place. */
  readonly jobs: number;
  readonly tasksPerJob: number;
  /** Places that the fleet has without the victim; no more jobs may run than that. */
  readonly placesLeft: number;
}

// Long enough for the lines that a stopped process has written to be read, and far below any lease.
const SETTLE_MS = 20;
const MIN_JOBS_HELD = 2;

/** Kills once; asked again and again while the jobs run. */
export class Assassin {
  readonly #witness: Witness;
  readonly #options: AssassinOptions;
  #kill: Kill | undefined;
  #isBusy = false;

  constructor(witness: Witness, options: AssassinOptions) {
    this.#witness = witness;
    this.#options = options;
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
    const { jobs, tasksPerJob, placesLeft } = this.#options;
    const started = this.#witness.jobsStarted;
    const isRoomElsewhere =
      started === jobs && started - this.#witness.jobsDone(tasksPerJob) <= placesLeft;
    if (!isRoomElsewhere) return false;
    const held = new Set(this.#witness.inFlightOf(pid).map((each) => each.jobId));
    return (
      held.size >= MIN_JOBS_HELD &&
      [...held].some((jobId) => this.#witness.hasCommitted(pid, jobId))
    );
  }
}
