// One incarnation of a process: its clock, and whether it runs, is paused, or is dead.
//
// Everything that reaches a process comes through `deliver`: timers that fire, answers, wake-ups.
//
// Invariants:
//   P1. A dead process is reached by nothing any more, so none of its code ever runs again.
//   P2. A paused process is reached by nothing until it wakes; then all of it comes in one burst,
//       during which no time passes.
//   P3. Its clocks are its own: their speed and wall time may differ from true time, and the
//       monotonic one stands still while the machine is suspended. The store's time is true time.
import type { Clock, Logger, Random, Timer } from '@holdfast/core';
import { MAX_TIMER_MS } from '@holdfast/core';
import type { Chance, SimulatedWorld } from './simulated-world.ts';

/** What a process may be: a worker serves jobs, a server answers producers. */
export type ProcessKind = 'worker' | 'server';

interface HeldEvent {
  run: (() => void) | undefined;
  readonly isTimer: boolean;
}

/** How wrong a process's wall clock may be when it starts, in milliseconds. */
const WALL_SKEW_MS = 1500;

/** See the head of this file. */
export class SimulatedProcess {
  readonly name: string;
  readonly kind: ProcessKind;
  readonly clock: Clock;
  readonly random: Random;
  /** What lies between it and the store and what happens to it by chance. */
  readonly chance: Chance;
  readonly logger: Logger;
  /** The worker ids it has ever joined under. */
  readonly memberIds: Set<string> = new Set();
  readonly #world: SimulatedWorld;
  readonly #speed: number;
  readonly #onDeath: (() => void)[] = [];
  #state: 'running' | 'paused' | 'dead' = 'running';
  #held: HeldEvent[] = [];
  #suspendedSinceMs: number | undefined;
  #suspendedMs = 0;
  #wallOffsetMs = 0;
  #isCutOff = false;

  constructor(
    world: SimulatedWorld,
    options: {
      readonly name: string;
      readonly kind: ProcessKind;
      /** How fast its clocks run; 1 is true time. */
      readonly speed: number;
      readonly logger: (process: SimulatedProcess) => Logger;
    },
  ) {
    this.name = options.name;
    this.kind = options.kind;
    this.#world = world;
    this.#speed = options.speed;
    this.chance = world.chance.fork();
    this.random = this.chance.fork();
    this.#wallOffsetMs = this.chance.between(-WALL_SKEW_MS, WALL_SKEW_MS);
    this.clock = {
      nowUnixMs: () => Math.floor(world.nowUnixMs + this.#wallOffsetMs),
      monotonicMs: () => this.#monotonicMs(),
      startTimer: (delayMs, callback) => this.#startTimer(delayMs, callback),
    };
    this.logger = options.logger(this);
  }

  get isDead(): boolean {
    return this.#state === 'dead';
  }

  get isPaused(): boolean {
    return this.#state === 'paused';
  }

  /** True while nothing of the network reaches it. */
  get isCutOff(): boolean {
    return this.#isCutOff;
  }

  /** Whether the way to the store is cut. */
  cutOff(isCutOff: boolean): void {
    this.#isCutOff = isCutOff;
  }

  /** Moves its wall time, as an operator or a time daemon would; `undefined` sets it right. */
  jumpWallTime(byMs: number | undefined): void {
    this.#wallOffsetMs = byMs === undefined ? 0 : this.#wallOffsetMs + byMs;
  }

  /** P2. `suspend` stops the machine, monotonic clock and all; otherwise only the process stops. */
  pause(how: 'stop' | 'suspend'): void {
    if (this.#state !== 'running') return;
    this.#state = 'paused';
    if (how === 'suspend') this.#suspendedSinceMs = this.#world.nowMs;
  }

  /** P2. Timers first or the network first: an event loop may do either. */
  wake(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    if (this.#suspendedSinceMs !== undefined) {
      this.#suspendedMs += this.#world.nowMs - this.#suspendedSinceMs;
      this.#suspendedSinceMs = undefined;
    }
    const held = this.#held;
    this.#held = [];
    const first = this.chance.hits(0.5);
    const burst = [
      ...held.filter((event) => event.isTimer === first),
      ...held.filter((event) => event.isTimer !== first),
    ];
    for (const event of burst) this.#world.schedule(0, () => this.#take(event));
  }

  /** P1. */
  die(): void {
    if (this.#state === 'dead') return;
    this.#state = 'dead';
    this.#held = [];
    for (const act of this.#onDeath) act();
  }

  /** Called once when it dies. */
  onDeath(act: () => void): void {
    this.#onDeath.push(act);
  }

  /** Lets something reach the process after `delayMs` of true time. */
  deliver(delayMs: number, run: () => void): Timer {
    const event: HeldEvent = { run, isTimer: false };
    this.#world.schedule(delayMs, () => this.#take(event));
    return { cancel: () => void (event.run = undefined) };
  }

  #take(event: HeldEvent): void {
    if (this.#state === 'paused') this.#held.push(event);
    else if (this.#state === 'running') event.run?.();
  }

  #monotonicMs(): number {
    const nowMs = this.#suspendedSinceMs ?? this.#world.nowMs;
    return (nowMs - this.#suspendedMs) * this.#speed;
  }

  #startTimer(delayMs: number, callback: () => void): Timer {
    if (delayMs > MAX_TIMER_MS) throw new RangeError(`a timer of ${delayMs} ms is too long`);
    const event: HeldEvent = { run: callback, isTimer: true };
    const scheduled = this.#world.schedule(Math.max(0, delayMs) / this.#speed, () =>
      this.#take(event),
    );
    return {
      cancel: () => {
        scheduled.cancel();
        event.run = undefined;
      },
    };
  }
}
