// When a run gives its worker back: all that is left to do lies further ahead than it is to wait, or is
// done elsewhere. What runs elsewhere may end at any moment, so the run lingers for it, for as long
// after the last thing that happened as it would wait for a time that is known.
import { MAX_TIMER_MS, type Timer } from '@holdfast/core';
import { earlier } from './flow-deadline.ts';
import type { Recovery } from './recovery.ts';
import { DEFAULT_RELEASE_AFTER_MS } from './run-options.ts';
import type { RunParts } from './run-parts.ts';
import { waitReason } from './run-words.ts';
import type { SignalDesk } from './signal-desk.ts';

export interface RunReleaseParts {
  readonly run: RunParts;
  readonly recovery: Recovery;
  readonly signals: SignalDesk;
  /** Looks what is to be done now. */
  readonly advance: () => void;
}

/** See the head of this file. */
export class RunRelease {
  readonly #parts: RunReleaseParts;
  #lastMs: number;
  #timer: Timer | undefined;

  constructor(parts: RunReleaseParts) {
    this.#parts = parts;
    this.#lastMs = parts.run.options.clock.monotonicMs();
  }

  /** Something has happened: what runs elsewhere is waited for anew. */
  touch(): void {
    this.#lastMs = this.#parts.run.options.clock.monotonicMs();
  }

  /** Ends a run that nothing runs in here, when it is time to. `hasReady`: something could start. */
  release(hasReady: boolean): boolean {
    const { run, recovery, signals } = this.#parts;
    const { options, waiting, remote } = run;
    const { clock, releaseAfterMs = DEFAULT_RELEASE_AFTER_MS, suspend } = options;
    const untilUnixMs = this.#untilUnixMs;
    const isSuspended = suspend?.aborted === true;
    if (!isSuspended && (hasReady || !recovery.isResting)) return false;
    if (!waiting.first && signals.isIdle() && remote.size === 0) return false;
    const isSoon = untilUnixMs !== undefined && untilUnixMs - clock.nowUnixMs() <= releaseAfterMs;
    if (!isSuspended && isSoon) return false;
    return !this.#lingers(releaseAfterMs) && this.#end(isSuspended);
  }

  /** When there is something to do for the clock's sake; undefined = never. */
  get #untilUnixMs(): number | undefined {
    const { run, recovery } = this.#parts;
    const { waiting, deadline } = run;
    const endUnixMs = recovery.hasFlowFailed ? undefined : deadline.untilUnixMs;
    return earlier(waiting.first?.untilUnixMs, endUnixMs);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #lingers(releaseAfterMs: number): boolean {
    const { run, advance } = this.#parts;
    const { options, remote, ending } = run;
    if (remote.size === 0) return false;
    if (!remote.areAllPosted) return true; // Whoever posts them makes the run look again.
    const leftMs = this.#lastMs + releaseAfterMs - options.clock.monotonicMs();
    // A timer may fire early by a fraction of a millisecond, and one for that fraction again, for ever.
    if (leftMs < 1) return false;
    this.close();
    if (leftMs === Number.POSITIVE_INFINITY) return true;
    this.#timer = options.clock.startTimer(Math.min(leftMs, MAX_TIMER_MS), () =>
      ending.guard(advance),
    );
    return true;
  }

  #end(isSuspended: boolean): boolean {
    const { run, signals } = this.#parts;
    const { options, writer, ending, remote } = run;
    if (!writer.isSettled) {
      // What is under way may let something else start.
      void writer.flush();
      return false;
    }
    // A run that is suspended could go on at once, if it turned out to be resumed by now.
    const untilUnixMs = isSuspended ? options.clock.nowUnixMs() : this.#untilUnixMs;
    ending.end({
      kind: 'waiting',
      untilUnixMs,
      waitsForSignal: !signals.isIdle(),
      remoteTasks: remote.size,
      signalsSeen: options.signals?.received().at(-1)?.seq ?? 0,
      reason: this.#reason,
    });
    return true;
  }

  get #reason(): string {
    const { run, signals } = this.#parts;
    const { first, size } = run.waiting;
    if (run.remote.size > 0) return run.remote.reason;
    if (!signals.isIdle()) return signals.reason;
    return waitReason(run.book.get(first?.index ?? 0), size - 1);
  }
}
