// What may start, by where it runs. What runs here has as much room as the run's `concurrency` says,
// what runs elsewhere a limit of its own; so neither keeps the other from starting.
import { ReadyQueue } from './ready-queue.ts';
import { CHECKPOINT_RECORDS_MAX, DEFAULT_TASK_CONCURRENCY } from './run-options.ts';
import type { RunParts, RunPlace } from './run-parts.ts';

export interface RunStartsParts {
  readonly run: RunParts;
  /** How many atoms user code is called for, here. */
  readonly calls: () => number;
  /** False for an atom whose deciders have to be asked first. */
  readonly isDecided: (index: number) => boolean;
  /** Starts one revert; false when none can start now. */
  readonly startRevert: (place: RunPlace) => boolean;
  /** Starts an atom, if it may: it is told more than once that it is ready. */
  readonly start: (index: number) => void;
}

/** See the head of this file. */
export class RunStarts {
  readonly #parts: RunStartsParts;
  readonly #ready: Readonly<Record<RunPlace, ReadyQueue>>;

  constructor(parts: RunStartsParts) {
    this.#parts = parts;
    const { graph } = parts.run;
    const priorityOf = (index: number): number => graph.node(index).task?.priority ?? 0;
    this.#ready = { here: new ReadyQueue(priorityOf), elsewhere: new ReadyQueue(priorityOf) };
  }

  /** True when something could start, if only there were less to be written. */
  get hasReady(): boolean {
    const { here, elsewhere } = this.#ready;
    return here.size > 0 || (elsewhere.size > 0 && this.#hasRoom('elsewhere'));
  }

  /** The atom may start. Where it runs elsewhere, its deciders are asked here before. */
  admit(index: number): void {
    const { run, isDecided } = this.#parts;
    const isElsewhere = run.remote.isFor(index) && isDecided(index);
    this.#ready[isElsewhere ? 'elsewhere' : 'here'].add(index);
  }

  /** Starts what is ready, as far as there is room: reverts first. */
  fill(): void {
    this.#fill('here');
    this.#fill('elsewhere');
  }

  #fill(place: RunPlace): void {
    const { run, startRevert, start } = this.#parts;
    while (this.#hasRoom(place) && run.writer.waiting < CHECKPOINT_RECORDS_MAX) {
      if (startRevert(place)) continue;
      const index = this.#ready[place].take();
      if (index === undefined) return;
      start(index);
    }
  }

  #hasRoom(place: RunPlace): boolean {
    const { run, calls } = this.#parts;
    if (place === 'elsewhere') return run.remote.hasRoom;
    return calls() < (run.options.concurrency ?? DEFAULT_TASK_CONCURRENCY);
  }
}
