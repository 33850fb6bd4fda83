// The processes of one world: workers and servers that come and go. A place in the fleet is filled
// again after a while when its process has died or left, for as long as the place is wanted.
import { Board, Caretaker } from '@holdfast/board';
import { createMemoryStore, type MemoryStore } from '@holdfast/coord';
import type { Clock, Logger } from '@holdfast/core';
import { silentLogger } from '@holdfast/core';
import type { AnyFlow } from '@holdfast/flow';
import {
  createJobService,
  FlowDirectory,
  InputSchemas,
  PostGate,
  RunningCalls,
  SERVER_LIMITS,
} from '@holdfast/server/in-process';
import { Worker } from '@holdfast/worker';
import { BoardWitness } from './board-witness.ts';
import { buildFixedFlows } from './fixed-flows.ts';
import type { GroupOutline } from './flow-outline.ts';
import type { History } from './history.ts';
import { OutsideLedger } from './outside-ledger.ts';
import type { Tamper } from './planted-bugs.ts';
import { buildFlow, type FlowGeneration, type FlowHost, LABELS, tasksOf } from './random-flow.ts';
import { SimulatedCoord } from './simulated-coord.ts';
import { type ProcessKind, SimulatedProcess } from './simulated-process.ts';
import type { Chance, SimulatedWorld } from './simulated-world.ts';
import type { SimulationPlan } from './simulation-plan.ts';
import { Network } from './weather.ts';
import type { WitnessedJob } from './witnessed-job.ts';

export interface FleetOptions {
  readonly world: SimulatedWorld;
  readonly history: History;
  readonly flows: readonly GroupOutline[];
  readonly versions: SimulationPlan['versions'];
  readonly tamper: Tamper;
  readonly leaseTtlMs: number;
  readonly concurrency: number;
}

/** A process that runs, with what is in it. */
export interface RunningProcess {
  readonly place: Place;
  readonly process: SimulatedProcess;
  readonly board: Board;
  readonly coord: SimulatedCoord;
  readonly worker: Worker | undefined;
  /** How calls reach a server's JobService. */
  readonly service: ReturnType<typeof createJobService> | undefined;
  readonly caretaker: Caretaker | undefined;
}

/** A place in the fleet; one process after the other fills it. */
export interface Place {
  readonly name: string;
  /** From 0, among those of its kind. */
  readonly index: number;
  readonly kind: ProcessKind;
  isWanted: boolean;
  incarnation: number;
  current: RunningProcess | undefined;
}

/** Milliseconds by which the store lets sessions outlive their time, at most, while faults happen. */
const LATE_EXPIRY_MS = 3000;
/** So many workers have the label that some tasks ask for: one of each version. */
const LABELLED_WORKERS = 2;

/** See the head of this file. */
export class SimulatedFleet {
  readonly network: Network;
  readonly store: MemoryStore;
  readonly witness: BoardWitness;
  readonly ledger: OutsideLedger;
  readonly places: readonly Place[];
  /** Sessions that the store has ever opened. */
  readonly sessions: string[] = [];
  /** How likely it is that a process crashes once a commit of its has happened. */
  crashAfterCommit = 0;
  /** Whether the store ends sessions late. */
  isExpiryLate = false;
  readonly #options: FleetOptions;
  readonly #storeClock: Clock;
  readonly #storeChance: Chance;

  constructor(
    options: FleetOptions,
    sizes: { readonly workers: number; readonly servers: number },
  ) {
    const { world, history } = options;
    this.#options = options;
    this.#storeChance = world.chance.fork();
    this.#storeClock = this.#createStoreClock();
    this.network = new Network(world, (kind) => history.countFault(kind));
    this.store = createMemoryStore({ clock: this.#storeClock });
    this.witness = new BoardWitness({
      store: this.store,
      history,
      nowMs: () => world.nowMs,
      continues: options.versions === 'continued',
      succeeded: (job: WitnessedJob) => this.ledger.checkSucceeded(job),
    });
    const tasks = options.flows.map((each, index) => [`flow-${index}`, tasksOf(each)] as const);
    this.ledger = new OutsideLedger(history, this.witness, new Map(tasks));
    const place = (kind: ProcessKind, index: number): Place => ({
      name: `${kind}-${index}`,
      index,
      kind,
      isWanted: false,
      incarnation: 0,
      current: undefined,
    });
    this.places = [
      ...Array.from({ length: sizes.servers }, (_, index) => place('server', index)),
      ...Array.from({ length: sizes.workers }, (_, index) => place('worker', index)),
    ];
  }

  /** Processes that are not dead. */
  running(kind?: ProcessKind): readonly RunningProcess[] {
    return this.places.flatMap(({ current }) =>
      current && (kind === undefined || current.place.kind === kind) ? [current] : [],
    );
  }

  /** Wants this place filled, from `delayMs` from now on. */
  want(place: Place, delayMs: number): void {
    place.isWanted = true;
    if (!place.current) this.#options.world.schedule(delayMs, () => this.#fill(place));
  }

  /** Ends a process at once: nothing of it runs any more. */
  crash({ process, place }: RunningProcess, why: string): void {
    if (process.isDead) return;
    this.#options.history.countFault('crash');
    this.#options.history.note(process.name, `crashes: ${why}`);
    this.#bury(place, process);
  }

  /** Stops a process in order; its place is not wanted any more. */
  retire({ place, process, worker, caretaker }: RunningProcess, immediately: boolean): void {
    place.isWanted = false;
    this.#options.history.note(process.name, immediately ? 'is stopped' : 'is drained');
    const left = worker ? worker.stop({ immediately }) : caretaker?.stop();
    void left?.then(() => this.#bury(place, process));
  }

  #bury(place: Place, process: SimulatedProcess): void {
    if (process.isDead) return;
    process.die();
    place.current = undefined;
    if (place.isWanted) this.want(place, this.#options.world.chance.between(50, 4000));
  }

  #fill(place: Place): void {
    if (place.current || !place.isWanted) return;
    place.incarnation += 1;
    const { world, history } = this.#options;
    const process = new SimulatedProcess(world, {
      name: `${place.name}.${place.incarnation}`,
      kind: place.kind,
      speed: world.chance.between(0.98, 1.02),
      logger: (owner) => this.#createLogger(owner),
    });
    history.note(process.name, 'starts');
    history.count('processes');
    const coord = this.#openCoord(process);
    const { clock, random, logger } = process;
    const board = new Board({ coord, clock, random, logger });
    const base = { place, process, board, coord };
    place.current =
      place.kind === 'worker'
        ? { ...base, worker: this.#createWorker(base), service: undefined, caretaker: undefined }
        : { ...base, worker: undefined, ...createServerParts(base) };
    void this.#begin(place.current);
  }

  async #begin({ coord, worker, caretaker, place, process }: RunningProcess): Promise<void> {
    await coord.start();
    await caretaker?.start();
    if (!worker) return;
    await worker.start();
    await worker.finished;
    // An operator has drained it.
    this.#bury(place, process);
  }

  #openCoord(process: SimulatedProcess): SimulatedCoord {
    const { world, tamper } = this.#options;
    return new SimulatedCoord({
      world,
      process,
      store: this.store,
      storeClock: this.#storeClock,
      network: this.network,
      witness: this.witness,
      tamper,
      committed: () => this.#maybeCrash(process),
      sessionOpened: (id) => void this.sessions.push(id),
    });
  }

  #maybeCrash(process: SimulatedProcess): void {
    if (this.crashAfterCommit === 0 || !process.chance.hits(this.crashAfterCommit)) return;
    const running = this.running().find((each) => each.process === process);
    if (running) this.crash(running, 'right after a commit');
  }

  #createWorker({
    place,
    process,
    board,
    coord,
  }: {
    readonly place: Place;
    readonly process: SimulatedProcess;
    readonly board: Board;
    readonly coord: SimulatedCoord;
  }): Worker {
    const { clock, random, logger } = process;
    return new Worker({
      board,
      coord,
      clock,
      random,
      logger,
      name: process.name.replaceAll('.', '-'),
      flows: this.#buildFlows(process, this.#generationAt(place)),
      labels: place.index < LABELLED_WORKERS ? LABELS : {},
      leaseTtlMs: this.#options.leaseTtlMs,
      concurrency: this.#options.concurrency,
      drainTimeoutMs: 5000,
    });
  }

  /** Every other worker has the later version, where there is one. */
  #generationAt({ index }: Place): FlowGeneration {
    const { versions } = this.#options;
    const isLater = versions !== 'one' && index % 2 === 1;
    return { version: isLater ? 2 : 1, continues: versions === 'continued' };
  }

  #buildFlows(process: SimulatedProcess, generation: FlowGeneration): readonly AnyFlow[] {
    const host: FlowHost = {
      clock: process.clock,
      outside: this.ledger.openFor(process.name),
      crash: () => {
        const running = this.running().find((each) => each.process === process);
        if (running) this.crash(running, 'poisoned');
      },
    };
    const random = this.#options.flows.map((outline, index) =>
      buildFlow(`flow-${index}`, outline, { ...generation, host }),
    );
    return [...random, ...buildFixedFlows(host, generation)];
  }

  /** Sessions end by the store's own clock, which is true time; its timers may be late. */
  #createStoreClock(): Clock {
    const { world } = this.#options;
    return {
      nowUnixMs: () => Math.floor(world.nowUnixMs),
      monotonicMs: () => world.nowMs,
      startTimer: (delayMs, callback) => {
        const isLate = this.isExpiryLate && this.#storeChance.hits(0.2);
        const lateMs = isLate ? this.#storeChance.between(0, LATE_EXPIRY_MS) : 0;
        return world.schedule(delayMs + lateMs, callback);
      },
    };
  }

  /** Only what nobody should ever have to log counts. */
  #createLogger(process: SimulatedProcess): Logger {
    const { history } = this.#options;
    const logger: Logger = {
      ...silentLogger,
      error(fields, message) {
        history.note(process.name, `logs an error: ${message}`);
        if (message.includes('holdfast doctor')) {
          history.violate('G7', `${process.name}: ${message} ${JSON.stringify(fields)}`);
        }
      },
      child: () => logger,
    };
    return logger;
  }
}

function createServerParts({
  process,
  board,
}: {
  readonly process: SimulatedProcess;
  readonly board: Board;
}): Pick<RunningProcess, 'service' | 'caretaker'> {
  const { clock, logger } = process;
  const service = createJobService({
    board,
    clock,
    logger,
    flows: new FlowDirectory({ board, clock }),
    schemas: new InputSchemas(),
    gate: new PostGate({ jobs: SERVER_LIMITS.postingJobs, bytes: SERVER_LIMITS.postingBytes }),
    running: new RunningCalls(),
  });
  return { service, caretaker: new Caretaker({ board }) };
}
