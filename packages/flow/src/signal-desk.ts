// Hands the signals of a job to the atoms that wait for them. Signals of one name are taken in the
// order of their arrival, each by one atom, and what was taken stands in that atom's record: so a
// signal is taken once, whatever crashes. One of a name is judged at a time: were a later one durable
// first, a crash would lose the earlier one, which nobody would take any more.
//
// A look costs what is new: the signals that have arrived, the atoms that have begun to wait.

import type { Payload } from '@holdfast/core';
import type { CallOutcome } from './call-outcome.ts';
import { Fifo } from './fifo.ts';
import { Heap } from './heap.ts';
import type { Launch, RunParts } from './run-parts.ts';
import { SignalShelf } from './signal-shelf.ts';

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
  readonly #shelf: SignalShelf;
  readonly #waiting = new Set<number>();
  /** Those who wait for each event, by their places. May hold some who wait no longer. */
  readonly #byEvent = new Map<string, Heap<number>>();
  /** Events that may find a signal and somebody who waits for it. */
  readonly #due = new Fifo<string>();
  /** Events of which a signal is being judged. */
  readonly #judging = new Set<string>();
  /** Signals that earlier attempts have taken, and whose names aren't known yet. */
  readonly #unnamed: Set<number>;

  constructor(parts: SignalDeskParts) {
    this.#parts = parts;
    const { atoms, signals } = parts.run.options;
    this.#shelf = new SignalShelf(signals);
    // Of all records, because what has taken a signal may be no part of the flow: a wait that another
    // version of it had, an item that a map has no more or hasn't got again yet.
    this.#unnamed = new Set(atoms.flatMap(({ signal }) => signal ?? []));
  }

  /** True while no atom waits, those apart that stand in a scope that has failed. */
  isIdle(): boolean {
    for (const index of this.#waiting) {
      if (this.#isWaiting(index)) return false;
      this.#waiting.delete(index);
    }
    return true;
  }

  /** Why the run waits, for people. */
  get reason(): string {
    const [first] = this.#waiting;
    if (first === undefined) return '';
    const { name } = this.#parts.run.graph.node(first);
    const event = this.#eventOf(first);
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
    this.#add(index);
    this.match();
  }

  /** An atom goes on waiting that an earlier attempt let wait. */
  await(index: number): void {
    const { book, waiting } = this.#parts.run;
    const { nextAtUnixMs } = book.get(index);
    if (nextAtUnixMs !== undefined) waiting.add(index, nextAtUnixMs);
    this.#add(index);
  }

  /** An atom waits no longer. */
  leave(index: number): void {
    this.#waiting.delete(index);
  }

  /** Gives what has arrived to those who wait. */
  match(): void {
    for (const { seq, name } of this.#shelf.read()) {
      if (this.#unnamed.delete(seq)) this.#shelf.noteTaken(name, seq);
      this.#due.add(name);
    }
    for (let event = this.#due.take(); event !== undefined; event = this.#due.take()) {
      this.#serve(event);
    }
  }

  #add(index: number): void {
    const event = this.#eventOf(index);
    let waiting = this.#byEvent.get(event);
    if (!waiting) {
      waiting = new Heap((one, other) => one < other);
      this.#byEvent.set(event, waiting);
    }
    if (!this.#waiting.has(index)) waiting.add(index);
    this.#waiting.add(index);
    this.#due.add(event);
  }

  #serve(event: string): void {
    if (this.#judging.has(event)) return;
    const signal = this.#shelf.next(event);
    const index = signal && this.#takeFirst(event);
    if (!signal || index === undefined) return;
    this.#shelf.noteTaken(event, signal.seq);
    this.#judging.add(event);
    this.#parts.launch({
      index,
      call: () => this.#parts.run.runner.receive(index, signal),
      ended: (outcome) => {
        this.#judging.delete(event);
        this.#due.add(event);
        this.#checked(index, signal.seq, outcome);
      },
    });
  }

  /** Of those who wait for this event, the first in the graph; it waits no longer. */
  #takeFirst(event: string): number | undefined {
    const waiting = this.#byEvent.get(event);
    for (let index = waiting?.take(); index !== undefined; index = waiting?.take()) {
      if (this.#waiting.delete(index) && this.#isWaiting(index)) return index;
    }
    return undefined;
  }

  /** False for one whose scope has failed, or starts anew: nothing is handed to it any more. */
  #isWaiting(index: number): boolean {
    const { run, mayStart } = this.#parts;
    return run.book.get(index).state === 'running' && mayStart(index);
  }

  #eventOf(index: number): string {
    const { role } = this.#parts.run.graph.node(index);
    return role.kind === 'event' ? role.event.event : '';
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
    // Its time may have been over meanwhile. Where its scope has failed it is not to be woken: it would
    // begin anew in the next round before its turn.
    if (this.#parts.mayStart(index)) this.await(index);
  }
}
