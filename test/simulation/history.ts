// What happened in one simulated world, in order: a hash over all of it, the lines themselves where
// somebody wants to read them, how often each kind of thing happened, and what broke a promise.
import { createHash, type Hash } from 'node:crypto';
import type { SimulatedWorld } from './simulated-world.ts';

/** A promise that was broken. */
export interface Violation {
  /** G1 to G9, or what else is held to: `states`, `defect`. */
  readonly promise: string;
  readonly text: string;
  readonly atMs: number;
}

/** The violations that are kept of one world: the first ones say most. */
const VIOLATIONS_KEPT = 20;

export class History {
  readonly #world: SimulatedWorld;
  readonly #hash: Hash = createHash('sha256');
  readonly #print: ((line: string) => void) | undefined;
  readonly #counts = new Map<string, number>();
  readonly #violations: Violation[] = [];

  constructor(world: SimulatedWorld, print: ((line: string) => void) | undefined) {
    this.#world = world;
    this.#print = print;
  }

  /** Adds a line. It must say the same in every run of the seed. */
  note(who: string, what: string): void {
    const line = `${this.#world.nowMs.toFixed(3)} ${who} ${what}`;
    this.#hash.update(line).update('\n');
    this.#print?.(`${formatTime(this.#world.nowMs)}  ${who.padEnd(12)} ${what}`);
  }

  count(kind: string, by = 1): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + by);
  }

  /** A fault, of which there are too many to print each. */
  countFault(kind: string): void {
    this.count(`fault: ${kind}`);
  }

  violate(promise: string, text: string): void {
    this.note('VIOLATION', `${promise}: ${text}`);
    if (this.#violations.length >= VIOLATIONS_KEPT) return;
    this.#violations.push({ promise, text, atMs: this.#world.nowMs });
  }

  get violations(): readonly Violation[] {
    return this.#violations;
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** The hash over every line so far, in hex. */
  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}

function formatTime(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const clock = [h, m, s].map((part) => String(part).padStart(2, '0')).join(':');
  return `${clock}.${String(Math.floor(ms % 1000)).padStart(3, '0')}`;
}
