// When the run of a durable function gives its worker back: all that is awaited lies further ahead than
// the run is to wait.

import type { CheckpointWriter } from './checkpoint-writer.ts';
import { earlier, type FlowDeadline } from './flow-deadline.ts';
import type { RunEnding } from './run-ending.ts';
import { DEFAULT_RELEASE_AFTER_MS, type RunOptions } from './run-options.ts';
import { waitReason } from './run-words.ts';
import type { WaitingRoom } from './waiting-room.ts';
import type { WorkflowAsks } from './workflow-asks.ts';
import type { WorkflowBook } from './workflow-book.ts';
import type { WorkflowPauses } from './workflow-pauses.ts';

export interface WorkflowReleaseParts {
  readonly options: RunOptions;
  readonly book: WorkflowBook;
  readonly asks: WorkflowAsks;
  readonly pauses: WorkflowPauses;
  readonly waiting: WaitingRoom;
  readonly deadline: FlowDeadline;
  readonly writer: CheckpointWriter;
  readonly ending: RunEnding;
}

/** See the head of this file. */
export class WorkflowRelease {
  readonly #parts: WorkflowReleaseParts;

  constructor(parts: WorkflowReleaseParts) {
    this.#parts = parts;
  }

  /** Ends a run that goes forward, and that nothing runs in, when it is time to. */
  release(): boolean {
    const { waiting, deadline, pauses } = this.#parts;
    const untilUnixMs = earlier(waiting.first?.untilUnixMs, deadline.untilUnixMs);
    if (!this.#mayRelease(untilUnixMs)) return false;
    this.end(untilUnixMs, pauses.reason ?? this.#reason);
    return true;
  }

  /** Ends the run as one that waits, whatever it was doing. */
  end(untilUnixMs: number | undefined, reason: string): void {
    const { ending, pauses } = this.#parts;
    const { waitsForSignal, signalsSeen } = pauses;
    const waits = { untilUnixMs, waitsForSignal, remoteTasks: 0, signalsSeen, reason };
    ending.end({ kind: 'waiting', ...waits });
  }

  #mayRelease(untilUnixMs: number | undefined): boolean {
    const { options, asks, book, writer } = this.#parts;
    const { clock, releaseAfterMs = DEFAULT_RELEASE_AFTER_MS } = options;
    if (!asks.hasOpen) return false;
    const leftMs = (untilUnixMs ?? Number.POSITIVE_INFINITY) - clock.nowUnixMs();
    if (leftMs <= releaseAfterMs) return false;
    return asks.open.every(({ name, spec }) => {
      const { state, nextAtUnixMs } = book.get(name);
      if (spec.kind !== 'step') return state === 'running';
      // The failure before a further try has to be durable first.
      return state === 'pending' && nextAtUnixMs !== undefined && writer.isSettled;
    });
  }

  get #reason(): string {
    const { waiting, asks, book } = this.#parts;
    const { first, size } = waiting;
    const ask = first && asks.at(first.index);
    if (ask?.spec.kind === 'step') return waitReason(book.get(ask.name), size - 1);
    const others = size > 1 ? ` (${size - 1} more wait too)` : '';
    return `${ask?.name ?? 'nothing'} sleeps${others}`;
  }
}
