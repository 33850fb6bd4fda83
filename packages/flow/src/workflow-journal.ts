// The order in which the durable function gets the ends of what it asked for. It is the order of
// completion, now and on every resume, so that a race between two steps has the same winner each time.
//
// Invariants:
//   W1. An end is given to the function only once it is durable.
//   W2. The function gets the ends one after another, each after it has done all that it can do
//       with those before.
//   W3. No end is given before one that was completed earlier.
import { assert } from '@holdfast/core';

interface Entry {
  readonly name: string;
  isDurable: boolean;
  isGiven: boolean;
}

/** See the head of this file. W2 is up to its caller. */
export class WorkflowJournal {
  readonly #entries: Entry[];
  readonly #byName = new Map<string, Entry>();
  readonly #isStrict: boolean;
  /** How many of the first entries were recorded by earlier attempts. */
  readonly #recorded: number;
  /** All before this one were given. */
  #cursor = 0;

  /** `recorded`: what was completed in earlier attempts, in that order. Without `isStrict` W3 holds only for what was asked for. */
  constructor(recorded: readonly string[], isStrict: boolean) {
    this.#isStrict = isStrict;
    this.#recorded = recorded.length;
    this.#entries = recorded.map((name) => ({ name, isDurable: true, isGiven: false }));
    for (const entry of this.#entries) this.#byName.set(entry.name, entry);
  }

  /** True while the function hasn't got all that was recorded. */
  get isReplaying(): boolean {
    return this.#cursor < this.#recorded;
  }

  /** Something was completed just now. */
  add(name: string): void {
    const entry = { name, isDurable: false, isGiven: false };
    this.#entries.push(entry);
    this.#byName.set(name, entry);
  }

  markDurable(name: string): void {
    const entry = this.#byName.get(name);
    if (entry) entry.isDurable = true;
  }

  /** What the function gets next, and can get now. */
  next(isAsked: (name: string) => boolean): string | undefined {
    for (let index = this.#cursor; index < this.#entries.length; index += 1) {
      const entry = this.#entries[index];
      assert(entry, 'the index lies within the entries');
      if (entry.isGiven) continue;
      if (isAsked(entry.name)) return entry.isDurable ? entry.name : undefined; // W1
      if (this.#isStrict) return undefined; // W3
    }
    return undefined;
  }

  /** The function has got it. */
  give(name: string): void {
    const given = this.#byName.get(name);
    if (given) given.isGiven = true;
    while (this.#entries[this.#cursor]?.isGiven) this.#cursor += 1;
  }
}
