// The sleeps and waits of a durable function: when they begin, and what ends them.
import { assert, type Clock, encodeJson, type Logger } from '@holdfast/core';
import type { SignalSource } from './run-options.ts';
import type { WaitingRoom } from './waiting-room.ts';
import { hasBegun, type WorkflowBook } from './workflow-book.ts';
import { WaitTimedOutError } from './workflow-failure.ts';
import { type TakenSignal, WorkflowSignals } from './workflow-signals.ts';
import type { Ask, SleepSpec, WaitSpec } from './workflow-spec.ts';

export interface WorkflowPausesParts {
  readonly book: WorkflowBook;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly waiting: WaitingRoom;
  readonly source: SignalSource | undefined;
  /** It is over, and that was put to be written. */
  readonly ended: (name: string) => void;
  /** A signal was judged, so there may be something to do. Told with the step of the engine to run. */
  readonly run: (step: () => void) => void;
}

/** See the head of this file. */
export class WorkflowPauses {
  readonly #parts: WorkflowPausesParts;
  readonly #signals: WorkflowSignals;
  #isClosed = false;

  constructor(parts: WorkflowPausesParts) {
    this.#parts = parts;
    this.#signals = new WorkflowSignals(parts.source, (ask, taken) =>
      parts.run(() => this.#judged(ask, taken)),
    );
  }

  /** True while no signal is being judged. */
  get isIdle(): boolean {
    return this.#signals.isIdle;
  }

  /** True while a wait waits. */
  get waitsForSignal(): boolean {
    return this.#signals.first !== undefined;
  }

  /** The number of the last signal that is known of; 0 for none. */
  get signalsSeen(): number {
    return this.#signals.seen;
  }

  /** Why the run waits, for people; undefined when no wait waits. */
  get reason(): string | undefined {
    const { first } = this.#signals;
    return first && `${first.name} waits for signal '${first.event}'`;
  }

  /** A wait was asked for; what it has taken in an earlier attempt nobody else gets. */
  asked(name: string, { event }: WaitSpec): void {
    this.#signals.noteTaken(event, this.#parts.book.get(name).signal ?? 0);
  }

  /** Begins, or goes on since an earlier attempt. */
  start(ask: Ask, spec: SleepSpec | WaitSpec): void {
    const { book, clock, waiting } = this.#parts;
    const { name, index } = ask;
    if (!hasBegun(book.get(name))) {
      const durationMs = spec.kind === 'sleep' ? spec.ms : spec.timeoutMs;
      const untilUnixMs =
        durationMs === undefined ? undefined : Math.ceil(clock.nowUnixMs() + durationMs);
      book.startPause(name, { kind: spec.kind, untilUnixMs });
    }
    const { nextAtUnixMs } = book.get(name);
    if (nextAtUnixMs !== undefined) waiting.add(index, nextAtUnixMs);
    if (spec.kind === 'wait') this.#signals.wait(ask, spec);
  }

  /** Gives what has arrived to those who wait. */
  match(): void {
    this.#signals.match();
  }

  /** The time has come that it waited for. */
  due({ name }: Ask, spec: SleepSpec | WaitSpec): void {
    const { book, ended } = this.#parts;
    if (spec.kind === 'sleep') {
      book.succeed(name, encodeJson(null));
      return ended(name);
    }
    // One that judges a signal is looked at again when that is refused.
    if (!this.#signals.leave(name)) return;
    const missed = { event: spec.event, timeoutMs: spec.timeoutMs ?? 0 };
    book.fail(name, new WaitTimedOutError(name, missed));
    ended(name);
  }

  /** Nobody waits any more. */
  close(): void {
    this.#isClosed = true;
    this.#signals.clear();
  }

  #judged(ask: Ask, taken: TakenSignal): void {
    const { book, logger, waiting, ended } = this.#parts;
    const { name, index, spec } = ask;
    assert(spec.kind === 'wait', `${name} is a wait`);
    if (taken.kind === 'accepted') {
      waiting.remove([index]);
      book.succeed(name, taken.value, taken.seq);
      return ended(name);
    }
    logger.warn({ wait: name, signal: taken.seq, error: taken.error }, 'a signal was refused');
    book.refuseSignal(name, taken.seq, taken.error);
    if (!this.#isClosed) this.start(ask, spec);
  }
}
