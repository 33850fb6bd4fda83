// What the network between processes and the store does to calls, by chance.
import type { SimulatedProcess } from './simulated-process.ts';
import type { Chance, SimulatedWorld } from './simulated-world.ts';

/** What becomes of one call. Times in milliseconds of true time. */
export type Fate =
  | { readonly kind: 'answered'; readonly outMs: number; readonly backMs: number }
  /** The store refuses at once: nothing happens, and the caller is told. */
  | { readonly kind: 'refused'; readonly backMs: number }
  /** It never arrives; the caller learns that it has no answer. */
  | { readonly kind: 'lost'; readonly timeoutMs: number }
  /** It happens, before or after the caller gave up on the answer. */
  | { readonly kind: 'unanswered'; readonly outMs: number; readonly timeoutMs: number };

/** How bad it is: the probabilities of a call's fates. */
export interface Weather {
  readonly name: string;
  readonly refused: number;
  readonly lost: number;
  readonly unanswered: number;
  /** Share of calls that take long. */
  readonly slow: number;
  /** Share of wake-ups that are lost, repeated, late. */
  readonly wakeUps: number;
}

export const FAIR: Weather = {
  name: 'fair',
  refused: 0,
  lost: 0,
  unanswered: 0,
  slow: 0,
  wakeUps: 0,
};

export const WEATHERS: readonly Weather[] = [
  FAIR,
  { name: 'windy', refused: 0.005, lost: 0.003, unanswered: 0.01, slow: 0.05, wakeUps: 0.2 },
  { name: 'stormy', refused: 0.03, lost: 0.02, unanswered: 0.05, slow: 0.2, wakeUps: 0.5 },
];

/** Told of each fault by its kind. */
export type CountFault = (kind: string) => void;

/** The network, with its weather and what is cut at the moment. */
export class Network {
  weather: Weather = FAIR;
  /** While set, the store refuses everything, or doesn't even do that. */
  storeAway: 'refusing' | 'silent' | undefined;
  readonly #world: SimulatedWorld;
  readonly #count: CountFault;

  constructor(world: SimulatedWorld, count: CountFault) {
    this.#world = world;
    this.#count = count;
  }

  /** Draws what becomes of a call of this process. */
  fateOfCall(process: SimulatedProcess): Fate {
    const { chance } = process;
    const outMs = this.#delayMs(chance);
    if (process.isCutOff || this.storeAway === 'silent') {
      return { kind: 'lost', timeoutMs: chance.between(500, 3000) };
    }
    if (this.storeAway === 'refusing') return { kind: 'refused', backMs: 2 * outMs };
    const draw = chance.next();
    const { refused, lost, unanswered } = this.weather;
    if (draw < refused)
      return this.#counted('call refused', { kind: 'refused', backMs: 2 * outMs });
    if (draw < refused + lost) {
      return this.#counted('call lost', { kind: 'lost', timeoutMs: chance.between(200, 3000) });
    }
    if (draw < refused + lost + unanswered) return this.#unanswered(chance, outMs);
    return { kind: 'answered', outMs, backMs: this.#delayMs(chance) };
  }

  /** When a wake-up reaches the process: never, once or twice, at once or late. */
  fateOfWakeUp(process: SimulatedProcess): readonly number[] {
    const { chance } = process;
    const delayMs = this.#delayMs(chance);
    if (process.isCutOff || this.storeAway) return [];
    if (!chance.hits(this.weather.wakeUps)) return [delayMs];
    switch (chance.whole(0, 2)) {
      case 0:
        this.#count('wake-up lost');
        return [];
      case 1:
        this.#count('wake-up repeated');
        return [delayMs, delayMs + chance.between(0, 200)];
      default:
        this.#count('wake-up late');
        return [chance.between(100, 5000)];
    }
  }

  /** Between the caller giving up and the commit happening lies up to half a minute. */
  #unanswered(chance: Chance, outMs: number): Fate {
    const timeoutMs = chance.between(200, 3000);
    const isLate = chance.hits(0.3);
    const arrivesMs = isLate
      ? timeoutMs + chance.between(1, chance.hits(0.2) ? 20_000 : 500)
      : outMs;
    const kind = isLate ? 'commit after its timeout' : 'answer lost';
    return this.#counted(kind, { kind: 'unanswered', outMs: arrivesMs, timeoutMs });
  }

  #counted(kind: string, fate: Fate): Fate {
    this.#count(kind);
    return fate;
  }

  #delayMs(chance: Chance): number {
    if (!chance.hits(this.weather.slow)) return chance.between(0.1, 2);
    return chance.hits(0.1) ? chance.between(200, 1500) : chance.between(5, 80);
  }

  /** For people who read a log. */
  describe(): string {
    return `weather ${this.weather.name} at ${Math.round(this.#world.nowMs)} ms`;
  }
}
