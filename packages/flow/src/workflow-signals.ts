// Hands the signals of a job to the waits of a durable function. Signals of one name are taken in the
// order of their arrival, each by one wait, in the order in which the waits were asked for. What was
// taken stands in the wait's record, so a signal is taken once, whatever crashes.
import { decodeJson, type Payload } from '@holdfast/core';
import type { Signal, SignalSource } from './run-options.ts';
import type { Ask, WaitSpec } from './workflow-spec.ts';
import { encodeChecked } from './workflow-steps.ts';

/** A signal as it was judged by the wait that took it. */
export type TakenSignal =
  | { readonly kind: 'accepted'; readonly seq: number; readonly value: Payload }
  | { readonly kind: 'refused'; readonly seq: number; readonly error: unknown };

interface Waiting {
  readonly ask: Ask;
  readonly spec: WaitSpec;
}

/** See the head of this file. */
export class WorkflowSignals {
  readonly #source: SignalSource | undefined;
  readonly #judged: (ask: Ask, taken: TakenSignal) => void;
  readonly #waiting = new Map<string, Waiting>();
  /** The last signal of each name that was taken: those before it were too. */
  readonly #taken = new Map<string, number>();
  /** Names of the signals one of which is being judged: the next of the name comes after it. */
  readonly #judging = new Set<string>();

  /** `judged` is told of each signal once; it must not throw. */
  constructor(source: SignalSource | undefined, judged: (ask: Ask, taken: TakenSignal) => void) {
    this.#source = source;
    this.#judged = judged;
  }

  /** True while no signal is being judged. */
  get isIdle(): boolean {
    return this.#judging.size === 0;
  }

  /** The wait that was asked for first; undefined when none waits. */
  get first(): { readonly name: string; readonly event: string } | undefined {
    const [first] = this.#waiting.values();
    return first && { name: first.ask.name, event: first.spec.event };
  }

  /** The number of the last signal that is known of; 0 for none. */
  get seen(): number {
    return this.#source?.received().at(-1)?.seq ?? 0;
  }

  /** A wait for this event has taken the signals up to this number, in this attempt or an earlier one. */
  noteTaken(event: string, seq: number): void {
    this.#taken.set(event, Math.max(seq, this.#taken.get(event) ?? 0));
  }

  wait(ask: Ask, spec: WaitSpec): void {
    this.#waiting.set(ask.name, { ask, spec });
  }

  /** The wait is over, whatever ended it. False when it wasn't waiting, because it judges a signal. */
  leave(name: string): boolean {
    return this.#waiting.delete(name);
  }

  /** Nobody waits any more. */
  clear(): void {
    this.#waiting.clear();
  }

  /** Gives what has arrived to those who wait. */
  match(): void {
    if (this.#waiting.size === 0) return;
    const signals = this.#source?.received() ?? [];
    if (signals.length === 0) return;
    const inOrder = [...this.#waiting.values()].sort((a, b) => a.ask.index - b.ask.index);
    for (const { ask, spec } of inOrder) {
      const after = this.#taken.get(spec.event) ?? 0;
      if (this.#judging.has(spec.event)) continue;
      const signal = signals.find(({ name, seq }) => name === spec.event && seq > after);
      if (!signal) continue;
      this.noteTaken(spec.event, signal.seq);
      this.#waiting.delete(ask.name);
      this.#judging.add(spec.event);
      void judge(spec, signal).then((taken) => {
        this.#judging.delete(spec.event);
        this.#judged(ask, taken);
      });
    }
  }
}

async function judge(spec: WaitSpec, { seq, payload }: Signal): Promise<TakenSignal> {
  try {
    const what = `the payload of signal '${spec.event}'`;
    return {
      kind: 'accepted',
      seq,
      value: await encodeChecked(spec.schema, decodeJson(payload), what),
    };
  } catch (error) {
    return { kind: 'refused', seq, error };
  }
}
