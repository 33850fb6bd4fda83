// What earlier attempts of a job recorded, and whether the code still fits it.
//
// While the function is given what was recorded, nothing new is started. A function that awaits
// nothing but its context then asks for everything that was recorded before it asks for anything new:
// so if it ends, or awaits something new, while a recorded name was not asked for, the code has changed.
//
// Invariants:
//   P1. Nothing is started that the recorded job would not have started: neither user code nor a
//       pause, before everything recorded was asked for.
//   P2. A function that awaits something else besides is given time for it before it is judged.
//
// A job that was revived is not judged: its failed steps get a fresh start, so that the function may
// well take another way. What was recorded on the old one is left alone.
import type { AtomRecord, Clock, Timer } from '@holdfast/core';
import { hasBegun, isReverting, kindOf, type WorkflowBook } from './workflow-book.ts';
import type { AskSpec } from './workflow-spec.ts';

/** How often, and at which interval in milliseconds, a function that seems stuck is looked at before it is judged. */
export const REPLAY_LOOKS = 5;
export const REPLAY_LOOK_MS = 1000;

export interface WorkflowReplayParts {
  readonly book: WorkflowBook;
  readonly clock: Clock;
  /** Looks again. */
  readonly wake: () => void;
}

/** See the head of this file. */
export class WorkflowReplay {
  readonly #parts: WorkflowReplayParts;
  readonly #missing: Set<string>;
  /** False for a job that was revived. */
  readonly isStrict: boolean;
  #looks = 0;
  #timer: Timer | undefined;

  constructor(parts: WorkflowReplayParts) {
    this.#parts = parts;
    const { all, root } = parts.book;
    this.isStrict = !all.some(({ forgivenTries }) => forgivenTries > 0);
    const isReverted = isReverting(root);
    this.#missing = new Set(
      all.filter((record) => isNeeded(record, isReverted)).map(({ name }) => name),
    );
  }

  /** A recorded name that was not asked for and has to be; undefined when there is none. */
  get missing(): string | undefined {
    if (!this.isStrict) return undefined;
    const [first] = this.#missing;
    return first;
  }

  /** The function asks for this. What is wrong with that, in words; undefined when it fits. */
  asked(name: string, kind: AskSpec['kind']): string | undefined {
    this.#looks = 0;
    this.#missing.delete(name);
    const record = this.#parts.book.get(name);
    if (!hasBegun(record) || kindOf(record) === kind) return undefined;
    return `'${name}' was recorded as a ${kindOf(record)}, and the function asks for a ${kind} of this name`;
  }

  /** The function was given something, so it may ask for more. */
  moved(): void {
    this.#looks = 0;
  }

  /** P2: true once the function has been given its time. */
  isOverdue(): boolean {
    if (this.#looks >= REPLAY_LOOKS) return true;
    // One interval after the other, so that a process that was paused uses up one of them only.
    this.#timer ??= this.#parts.clock.startTimer(REPLAY_LOOK_MS, () => {
      this.#timer = undefined;
      this.#looks += 1;
      this.#parts.wake();
    });
    return false;
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

/** What is reverted already needs nobody any more, once everything is reverted. */
function isNeeded(record: AtomRecord, isReverted: boolean): boolean {
  const isOver = record.state === 'reverted' || record.state === 'revertFailure';
  return hasBegun(record) && !(isReverted && isOver);
}
