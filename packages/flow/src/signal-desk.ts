// Hands the signals of a job to the atoms that wait for them. Signals of one name are taken in the
// order of their arrival, each by one atom, and what was taken stands in that atom's record: so a
// signal is taken once, whatever crashes.

import type { Payload } from '@holdfast/core';
import type { CallOutcome } from './call-outcome.ts';
import type { Signal } from './run-options.ts';
import type { Launch, RunParts } from './run-parts.ts';

export interface SignalDeskParts {
  readonly run: RunParts;
  readonly launch: (launch: Launch<Payload>) => void;
  /** False for a wait in a scope that has failed. */
  readonly mayStart: (index: number) => boolean;
  /** The atom has got what it waited for. */
  readonly received: (index: number) => void;
}

/** See the head of this file. */
export class SignalDesk {
  readonly #parts: SignalDeskParts;
  readonly #waiting = new Set<number>();
  /** The last signal of each name that was taken: those before it were too. */
  readonly #taken = new Map<string, number>();
  /** Signals that earlier attempts have taken, and whose names aren't known yet. */
  readonly #unnamed: Set<number>;

  constructor(parts: SignalDeskParts) {
    this.#parts = parts;
    const { atoms } = parts.run.options;
    // Of all records, because what has taken a signal may be no part of the flow: a wait that another
    // version of it had, an item that a map has no more or hasn't got again yet.
    this.#unnamed = new Set(atoms.flatMap(({ signal }) => signal ?? []));
  }

  /** How many atoms wait, those apart that stand in a scope that has failed. */
  get size(): number {
    let size = 0;
    for (const index of this.#waiting) if (this.#parts.mayStart(index)) size += 1;
    return size;
  }

  /** Why the run waits, for people. */
  get reason(): string {
    const [first] = this.#waiting;
    if (first === undefined) return '';
    const { name, role } = this.#parts.run.graph.node(first);
    const event = role.kind === 'event' ? role.event.event : '';
    const others = this.#waiting.size - 1;
    return `task ${name} waits for signal '${event}'${others > 0 ? ` (${others} more wait too)` : ''}`;
  }

  /** An atom begins to wait. */
  begin(index: number): void {
    const { book, graph, options } = this.#parts.run;
    const { role } = graph.node(index);
    book.start(index);
    const timeoutMs = role.kind === 'event' ? role.event.timeoutMs : undefined;
    book.waitUntil(
      index,
      timeoutMs === undefined ? undefined : options.clock.nowUnixMs() + timeoutMs,
    );
    this.#waiting.add(index);
    this.match();
  }

  /** An atom goes on waiting that an earlier attempt let wait. */
  await(index: number): void {
    const { book, waiting } = this.#parts.run;
    const { nextAtUnixMs } = book.get(index);
    if (nextAtUnixMs !== undefined) waiting.add(index, nextAtUnixMs);
    this.#waiting.add(index);
  }

  /** An atom waits no longer. */
  leave(index: number): void {
    this.#waiting.delete(index);
  }

  /** Gives what has arrived to those who wait. */
  match(): void {
    const { graph, book, options } = this.#parts.run;
    const signals = options.signals?.received() ?? [];
    if (signals.length === 0 || this.#waiting.size === 0) return;
    this.#nameTaken(signals);
    for (const index of [...this.#waiting].sort((one, other) => one - other)) {
      const { role } = graph.node(index);
      if (role.kind !== 'event' || book.get(index).state !== 'running') {
        this.#waiting.delete(index); // What it waited in has failed, or starts anew.
        continue;
      }
      if (!this.#parts.mayStart(index)) continue;
      const after = this.#taken.get(role.event.event) ?? 0;
      const signal = signals.find((each) => each.name === role.event.event && each.seq > after);
      if (!signal) continue;
      this.#taken.set(signal.name, signal.seq);
      this.#waiting.delete(index);
      this.#parts.launch({
        index,
        call: () => this.#parts.run.runner.receive(index, signal),
        ended: (outcome) => this.#checked(index, signal.seq, outcome),
      });
    }
  }

  #checked(index: number, seq: number, outcome: CallOutcome<Payload>): void {
    const { book, waiting } = this.#parts.run;
    if (outcome.kind === 'interrupted' || book.get(index).state !== 'running') return;
    if (outcome.kind === 'success') {
      waiting.remove([index]);
      book.succeed(index, outcome.value, seq);
      return this.#parts.received(index);
    }
    if (outcome.kind === 'failure') book.refuseSignal(index, seq, outcome.thrown);
    this.await(index); // Its time may have been over meanwhile.
  }

  /** Finds out the names of the signals that earlier attempts have taken. */
  #nameTaken(signals: readonly Signal[]): void {
    if (this.#unnamed.size === 0) return;
    for (const { seq, name } of signals) {
      if (!this.#unnamed.delete(seq)) continue;
      this.#taken.set(name, Math.max(this.#taken.get(name) ?? 0, seq));
    }
  }
}
