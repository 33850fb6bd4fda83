import { Fifo } from './fifo.ts';
import type { Signal, SignalSource } from './run-options.ts';

/**
 * The signals of a job by their names, those of one name in the order of their arrival. Each is looked
 * at once, however many there are and however often somebody asks.
 */
export class SignalShelf {
  readonly #source: SignalSource | undefined;
  readonly #unread = new Map<string, Fifo<Signal>>();
  /** The last signal of each name that was taken: those before it were too. */
  readonly #taken = new Map<string, number>();
  #seen = 0;

  constructor(source: SignalSource | undefined) {
    this.#source = source;
  }

  /** Takes up what has arrived since it was called last, and returns that. */
  read(): readonly Signal[] {
    const received = this.#source?.received() ?? [];
    let from = received.length;
    while ((received[from - 1]?.seq ?? 0) > this.#seen) from -= 1;
    const fresh = received.slice(from);
    for (const signal of fresh) this.#put(signal);
    return fresh;
  }

  /** The first signal of this name that was read and is not taken; undefined when there is none. */
  next(name: string): Signal | undefined {
    const unread = this.#unread.get(name);
    const taken = this.#taken.get(name) ?? 0;
    while (unread?.first && unread.first.seq <= taken) unread.take();
    return unread?.first;
  }

  /** The signals of this name up to this number are taken, in this attempt or an earlier one. */
  noteTaken(name: string, seq: number): void {
    this.#taken.set(name, Math.max(seq, this.#taken.get(name) ?? 0));
  }

  #put(signal: Signal): void {
    let unread = this.#unread.get(signal.name);
    if (!unread) {
      unread = new Fifo();
      this.#unread.set(signal.name, unread);
    }
    unread.add(signal);
    this.#seen = signal.seq;
  }
}
