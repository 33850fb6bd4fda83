// What goes wrong, and when: drawn from the seed while a storm lasts, and made good when it ends.
import type { History } from './history.ts';
import type { RunningProcess, SimulatedFleet } from './simulated-fleet.ts';
import type { SimulatedProducer } from './simulated-producer.ts';
import type { Chance, SimulatedWorld } from './simulated-world.ts';
import { FAIR, WEATHERS } from './weather.ts';

/** Kinds of faults that a plan may leave out, so that a failure can be shrunk to those it takes. */
export const FAULT_KINDS = [
  'crash',
  'pause',
  'suspend',
  'cut',
  'store away',
  'session ended early',
  'clock jump',
  'scale',
  'expel',
  'drain',
  'weather',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

export interface FaultScheduleParts {
  readonly world: SimulatedWorld;
  readonly history: History;
  readonly fleet: SimulatedFleet;
  readonly producer: SimulatedProducer;
  readonly kinds: readonly FaultKind[];
  readonly leaseTtlMs: number;
}

export class FaultSchedule {
  readonly #parts: FaultScheduleParts;
  readonly #chance: Chance;
  #isStormy = false;

  constructor(parts: FaultScheduleParts) {
    this.#parts = parts;
    this.#chance = parts.world.chance.fork();
  }

  /** Faults come about every `pauseMs` until {@link end}. */
  begin(pauseMs: number): void {
    const { world, fleet, producer, kinds } = this.#parts;
    this.#isStormy = true;
    fleet.isExpiryLate = true;
    producer.lossRate = 0.03;
    if (kinds.includes('crash')) fleet.crashAfterCommit = 0.002;
    const next = (): void => {
      if (!this.#isStormy) return;
      if (kinds.length > 0) this.#strike(this.#chance.pick(kinds));
      world.schedule(this.#chance.between(0, 2 * pauseMs), next);
    };
    world.schedule(0, next);
  }

  /** Every fault ceases: all processes run, every way is open, the clocks are right. */
  end(): void {
    const { fleet, producer, history } = this.#parts;
    this.#isStormy = false;
    fleet.isExpiryLate = false;
    fleet.crashAfterCommit = 0;
    fleet.network.weather = FAIR;
    fleet.network.storeAway = undefined;
    producer.lossRate = 0;
    for (const { process } of fleet.running()) {
      process.cutOff(false);
      process.jumpWallTime(undefined);
      process.wake();
    }
    history.note('faults', 'cease');
  }

  #strike(kind: FaultKind): void {
    const { fleet, history, world } = this.#parts;
    const victims = fleet.running();
    const victim = victims.length === 0 ? undefined : this.#chance.pick(victims);
    switch (kind) {
      case 'weather':
        fleet.network.weather = this.#chance.pick(WEATHERS);
        history.note('faults', fleet.network.describe());
        return;
      case 'store away':
        this.#sendStoreAway();
        return;
      case 'session ended early':
        this.#endSession();
        return;
      case 'scale':
        this.#scale();
        return;
      case 'crash':
        if (victim) this.#crash(victim);
        return;
      case 'pause':
      case 'suspend':
      case 'cut':
        if (victim) this.#silence(victim, kind);
        return;
      case 'clock jump':
        if (!victim) return;
        history.countFault(kind);
        victim.process.jumpWallTime(
          this.#chance.between(-1, 1) * this.#chance.pick([2000, 400_000]),
        );
        return;
      case 'expel':
      case 'drain':
        world.schedule(0, () => void this.#order(kind));
        return;
      default:
        kind satisfies never;
    }
  }

  /** Half of the workers have a supervisor, which sees the crash and expels what has crashed. */
  #crash(victim: RunningProcess): void {
    const id = victim.worker?.id;
    this.#parts.fleet.crash(victim, 'by chance');
    if (id === undefined || this.#chance.hits(0.5)) return;
    this.#parts.world.schedule(this.#chance.between(5, 300), () => {
      const helper = this.#parts.fleet.running('server')[0];
      // Where the store is away, the session lapses instead.
      void helper?.board.expel(id).catch(() => undefined);
    });
  }

  #silence({ process }: RunningProcess, kind: 'pause' | 'suspend' | 'cut'): void {
    const { world, history, leaseTtlMs } = this.#parts;
    const ms = this.#chance.between(50, this.#chance.pick([1000, leaseTtlMs * 3]));
    history.countFault(kind);
    history.note(process.name, `${kind} for ${Math.round(ms)} ms`);
    if (kind === 'cut') process.cutOff(true);
    else process.pause(kind === 'pause' ? 'stop' : 'suspend');
    world.schedule(ms, () => {
      if (kind === 'cut') process.cutOff(false);
      else process.wake();
    });
  }

  #sendStoreAway(): void {
    const { world, history, fleet } = this.#parts;
    if (fleet.network.storeAway) return;
    history.countFault('store away');
    fleet.network.storeAway = this.#chance.pick(['refusing', 'silent'] as const);
    history.note('faults', `the store is away, ${fleet.network.storeAway}`);
    world.schedule(this.#chance.between(50, 9000), () => (fleet.network.storeAway = undefined));
  }

  #endSession(): void {
    const { fleet, history } = this.#parts;
    const recent = fleet.sessions.slice(-8);
    if (recent.length === 0) return;
    const id = this.#chance.pick(recent);
    history.countFault('session ended early');
    history.note('faults', `the store ends session ${id}`);
    fleet.store.endSession(id);
  }

  /** A place is filled, or its process stopped in order. */
  #scale(): void {
    const { fleet, history } = this.#parts;
    const place = this.#chance.pick(fleet.places.filter(({ kind }) => kind === 'worker'));
    history.countFault('scale');
    if (place.current && place.isWanted) fleet.retire(place.current, this.#chance.hits(0.4));
    else fleet.want(place, 0);
  }

  async #order(kind: 'expel' | 'drain'): Promise<void> {
    const { fleet, history } = this.#parts;
    const workers = fleet.running('worker').filter(({ worker }) => worker?.id !== undefined);
    const servers = fleet.running('server');
    if (workers.length === 0 || servers.length === 0) return;
    const id = this.#chance.pick(workers).worker?.id;
    if (id === undefined) return;
    history.countFault(kind);
    const { board } = this.#chance.pick(servers);
    try {
      if (kind === 'expel') await board.expel(id);
      else await board.drainWorker(id);
    } catch {
      // The worker is gone, or the store is away: then there is nothing to order.
    }
  }
}
