// One simulated world from its first event to its last: storms, nights without any process, then
// calm, in which everything that was acknowledged has to come to its end, and takeovers are timed.
import { isFinal, type JobState } from '@holdfast/core';
import { FaultSchedule } from './fault-schedule.ts';
import { APPROVAL_FLOW, GO } from './fixed-flows.ts';
import { History, type Violation } from './history.ts';
import type { Tamper } from './planted-bugs.ts';
import { type RunningProcess, SimulatedFleet } from './simulated-fleet.ts';
import { SimulatedProducer } from './simulated-producer.ts';
import { SimulatedWorld } from './simulated-world.ts';
import type { SimulationPlan } from './simulation-plan.ts';
import type { WitnessedJob } from './witnessed-job.ts';

/** In calm, some job comes to its end within this time, until all have; in milliseconds. */
const CALM_MS = 1_200_000;
/** How often in a row a job may be found waiting for its time before it counts as stuck. */
const MAX_WAITS = 10;
/** What was on its way when the faults ceased has arrived, or been repeated, after this; in milliseconds. */
const SETTLE_MS = 30_000;
/** Beyond the lease, how long a takeover may take (G5), in milliseconds. */
const TAKEOVER_MS = 1000;
/** What calls cost in fair weather, in milliseconds: a handful of round trips. */
const ROUND_TRIPS_MS = 50;

/** What became of one world. */
export interface RunReport {
  readonly seed: number;
  /** SHA-256 over the history. */
  readonly digest: string;
  readonly violations: readonly Violation[];
  readonly counts: ReadonlyMap<string, number>;
  /** Virtual time, all of it and the part in which processes ran, in milliseconds. */
  readonly simulatedMs: number;
  readonly busyMs: number;
  readonly events: number;
  /** How long takeovers took where capacity was free. */
  readonly takeovers: readonly TakeoverTime[];
}

/** How a worker goes that takeovers are timed by. */
type Departure = 'crash' | 'expel' | 'drain';

/** Until the last of a worker's jobs was claimed again, in milliseconds; at most what G5 allows. */
export interface TakeoverTime {
  readonly how: Departure;
  readonly ms: number;
  readonly boundMs: number;
}

export interface RunSettings {
  readonly seed: number;
  readonly plan: SimulationPlan;
  readonly tamper: Tamper;
  readonly print?: ((line: string) => void) | undefined;
}

/** Runs a world to its end, or to its first violation. */
export async function runSimulation(settings: RunSettings): Promise<RunReport> {
  const stackTraceLimit = Error.stackTraceLimit;
  // Stacks are stored with failures, and name the files of this machine.
  Error.stackTraceLimit = 0;
  const run = new SimulatedRun(settings);
  const onDefect = (error: unknown): void => run.defect(error);
  process.on('unhandledRejection', onDefect);
  process.on('uncaughtException', onDefect);
  try {
    return await run.run();
  } finally {
    process.off('unhandledRejection', onDefect);
    process.off('uncaughtException', onDefect);
    Error.stackTraceLimit = stackTraceLimit;
  }
}

class SimulatedRun {
  readonly #settings: RunSettings;
  readonly #world: SimulatedWorld;
  readonly #history: History;
  readonly #fleet: SimulatedFleet;
  readonly #producer: SimulatedProducer;
  readonly #faults: FaultSchedule;
  readonly #takeovers: TakeoverTime[] = [];
  #busyMs = 0;

  constructor(settings: RunSettings) {
    const { seed, plan, tamper, print } = settings;
    this.#settings = settings;
    const world = new SimulatedWorld(seed);
    const history = new History(world, print);
    const fleet = new SimulatedFleet({ ...plan, world, history, tamper }, plan);
    const producer = new SimulatedProducer({ world, history, fleet, flows: plan.flows.length });
    this.#world = world;
    this.#history = history;
    this.#fleet = fleet;
    this.#producer = producer;
    const { faults: kinds, leaseTtlMs } = plan;
    this.#faults = new FaultSchedule({ world, history, fleet, producer, kinds, leaseTtlMs });
  }

  /** A defect of the code, or of the simulation: either way the run has failed. */
  defect(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#history.violate('defect', text);
  }

  async run(): Promise<RunReport> {
    try {
      await this.#runAll();
    } catch (error) {
      this.defect(error); // The world cannot go on; what it came to says more than that.
    }
    return this.#report();
  }

  async #runAll(): Promise<void> {
    const { plan } = this.#settings;
    for (const [index, seconds] of plan.stormsSeconds.entries()) {
      if (index > 0) await this.#night(plan.nightMinutes * 60_000);
      await this.#storm(seconds, index === 0 ? plan.backlog : 0);
    }
    await this.#calm();
    for (const how of ['crash', 'expel', 'drain'] as const) await this.#probeTakeover(how);
    await this.#examine();
  }

  #report(): RunReport {
    const { violations, counts } = this.#history;
    return {
      seed: this.#settings.seed,
      digest: this.#history.digest(),
      violations,
      counts,
      simulatedMs: this.#world.nowMs,
      busyMs: this.#busyMs,
      events: this.#world.events,
      takeovers: this.#takeovers,
    };
  }

  get #isBroken(): boolean {
    return this.#history.violations.length > 0;
  }

  /** Lets time pass until `isDone`, or a promise is broken; false when neither came in time. */
  async #pass(ms: number, isDone: () => boolean = () => false): Promise<boolean> {
    if (this.#isBroken) return true;
    const sinceMs = this.#world.nowMs;
    const inTime = await this.#world.run(ms, () => this.#isBroken || isDone());
    this.#busyMs += this.#world.nowMs - sinceMs;
    return inTime;
  }

  /** Runs an actor's errand while time passes. */
  async #drive<Result>(errand: Promise<Result>, limitMs: number): Promise<Result | undefined> {
    let result: { readonly value: Result } | undefined;
    errand.then(
      (value) => (result = { value }),
      (error: unknown) => this.defect(error),
    );
    await this.#pass(limitMs, () => result !== undefined);
    if (!result && !this.#isBroken)
      this.#history.violate('G1', 'an errand in fair weather found no end');
    return result?.value;
  }

  async #storm(seconds: number, backlog: number): Promise<void> {
    const { plan } = this.#settings;
    if (this.#isBroken) return;
    for (const place of this.#fleet.places)
      this.#fleet.want(place, this.#world.chance.between(0, 500));
    this.#faults.begin(plan.faultEveryMs);
    this.#producer.begin(plan.actEveryMs);
    if (backlog > 0) void this.#producer.postBacklog(backlog);
    await this.#pass(seconds * 1000);
    this.#producer.rest();
  }

  /** Every process goes, one way or another, and hours pass. */
  async #night(ms: number): Promise<void> {
    this.#faults.end();
    for (const running of this.#fleet.running()) {
      if (this.#world.chance.hits(0.5)) this.#fleet.retire(running, this.#world.chance.hits(0.5));
      else {
        running.place.isWanted = false;
        this.#fleet.crash(running, 'power is cut');
      }
    }
    await this.#pass(20_000, () => this.#fleet.running().length === 0);
    for (const running of this.#fleet.running()) this.#fleet.crash(running, 'power is cut');
    for (const place of this.#fleet.places) place.isWanted = false;
    this.#history.note('night', `for ${Math.round(ms / 60_000)} minutes`);
    if (!this.#isBroken) await this.#world.run(ms);
  }

  /** G1: with faults over and every place filled, all jobs come to an end. */
  async #calm(): Promise<void> {
    for (;;) {
      this.#faults.end();
      for (const place of this.#fleet.places) this.#fleet.want(place, 0);
      await this.#pass(SETTLE_MS);
      await this.#passUntilDone();
      const restMs = this.#untilDueMs();
      if (this.#isBroken || restMs === undefined) break;
      await this.#night(restMs); // What is left is not due before that.
    }
    this.#checkEnds();
    for (const { id, key } of this.#producer.acknowledged.values()) {
      if (!this.#fleet.witness.jobs.get(id)?.spec)
        this.#history.violate('G1', `${key}: job ${id} was never stored`);
    }
    this.#checkSignals();
  }

  /** What was acknowledged is there, for as long as its job is. */
  #checkSignals(): void {
    for (const [key, { jobId, seq, name }] of this.#producer.signals) {
      const job = this.#fleet.witness.jobs.get(jobId);
      if (job?.isGone || job?.signals.get(seq) === name) continue;
      this.#history.violate('S', `${key}: signal ${seq} of job ${jobId} is not there`);
    }
  }

  /** Jobs that go on only when somebody wants them to. Such as wait for a remote task go on by themselves. */
  #held(): { readonly suspended: readonly string[]; readonly waiting: readonly string[] } {
    const unfinished = this.#fleet.witness.unfinished();
    const jobsIn = (kind: JobState): readonly WitnessedJob[] =>
      unfinished.filter(({ status }) => status?.phase.kind === kind);
    const waiting = jobsIn('waiting').filter(
      ({ spec, signals }) => spec?.flow === APPROVAL_FLOW && ![...signals.values()].includes(GO),
    );
    return { suspended: jobsIn('suspended').map(idOf), waiting: waiting.map(idOf) };
  }

  #isAnyHeld(): boolean {
    const { suspended, waiting } = this.#held();
    return suspended.length + waiting.length > 0;
  }

  /** G1. */
  #checkEnds(): void {
    if (this.#isBroken) return;
    for (const { id, status } of this.#fleet.witness.unfinished()) {
      const state = `job ${id} of ${status?.flow} stays ${status?.phase.kind} for ever`;
      this.#history.violate('G1', state);
    }
  }

  /**
   * Passes time for as long as jobs come to their end one after another. One that waits for its time,
   * such as the next try of a task, has not come to rest yet; how often one may is bounded.
   */
  async #passUntilDone(): Promise<void> {
    const { witness } = this.#fleet;
    let left = Number.POSITIVE_INFINITY;
    let waits = 0;
    while (!this.#isBroken && !this.#isAllDone()) {
      const isAnyHeld = this.#isAnyHeld();
      if (isAnyHeld) await this.#drive(this.#producer.letGoOn(this.#held()), 60_000);
      const unfinished = witness.unfinished();
      const isWaiting =
        isAnyHeld || unfinished.some(({ status }) => status?.phase.kind === 'scheduled');
      if (unfinished.length >= left && !isWaiting) return;
      waits = unfinished.length < left ? 0 : waits + 1;
      if (waits > MAX_WAITS) return;
      left = unfinished.length;
      await this.#pass(CALM_MS, () => this.#isAllDone() || this.#isAnyHeld());
    }
  }

  /** True when no job is left but such as are due much later. */
  #isAllDone(): boolean {
    const horizonUnixMs = this.#world.nowUnixMs + CALM_MS;
    return this.#fleet.witness.unfinished().every(({ status }) => {
      const phase = status?.phase;
      return phase?.kind === 'scheduled' && phase.runAtUnixMs > horizonUnixMs;
    });
  }

  /** How long it takes until the next job is due, when there is nothing else left to do. */
  #untilDueMs(): number | undefined {
    if (!this.#isAllDone()) return undefined;
    const times = this.#fleet.witness.unfinished().flatMap(({ status }) => {
      const phase = status?.phase;
      return phase?.kind === 'scheduled' ? [phase.runAtUnixMs - this.#world.nowUnixMs] : [];
    });
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** G5, where capacity is free: a worker with running jobs goes, and others run them in time. */
  async #probeTakeover(how: Departure): Promise<void> {
    if (this.#isBroken) return;
    const { plan } = this.#settings;
    const room = (plan.workers - 1) * plan.concurrency;
    const count = Math.min(room, 4);
    const ids = (await this.#drive(this.#producer.postSlow(count), 60_000)) ?? [];
    const jobs = ids
      .map((id) => this.#fleet.witness.jobs.get(id))
      .filter((job) => job !== undefined);
    await this.#pass(10_000, () => jobs.every(({ status }) => status?.phase.kind === 'running'));
    const victim = this.#holderOf(jobs.map(({ status }) => status?.phase));
    if (!victim || this.#isBroken) return;
    const held = jobs.filter(
      ({ status }) =>
        status?.phase.kind === 'running' && victim.process.memberIds.has(status.phase.worker),
    );
    const attempts = held.map(({ status }) => (status?.attempt ?? 0) + 1);
    const sinceMs = this.#world.nowMs;
    victim.place.isWanted = false;
    this.#remove(victim, how);
    const boundMs = (how === 'crash' ? plan.leaseTtlMs : 0) + TAKEOVER_MS + ROUND_TRIPS_MS;
    const isOver = (): boolean =>
      held.every(({ claims }, index) => claims.has(attempts[index] ?? 0));
    const inTime = await this.#pass(boundMs, isOver);
    if (!inTime) {
      this.#history.violate(
        'G5',
        `${how}: ${held.length} jobs were not all taken over within ${boundMs} ms`,
      );
    }
    this.#takeovers.push({ how, ms: this.#world.nowMs - sinceMs, boundMs });
    if (how === 'expel') this.#fleet.crash(victim, 'it was expelled and is of no more use');
    this.#fleet.want(victim.place, 1000);
    await this.#pass(CALM_MS, () =>
      jobs.every(({ status }) => status && isFinal(status.phase.kind)),
    );
  }

  #remove(victim: RunningProcess, how: Departure): void {
    const id = victim.worker?.id;
    if (how === 'crash') this.#fleet.crash(victim, 'for a takeover');
    else if (how === 'drain') this.#fleet.retire(victim, true);
    else if (id !== undefined) {
      this.#history.note('supervisor', `expels ${id}`);
      const helper = this.#fleet.running('server')[0];
      helper?.board.expel(id).catch((error: unknown) => this.defect(error));
    }
  }

  #holderOf(phases: readonly (object | undefined)[]): RunningProcess | undefined {
    const holders = new Set(
      phases.flatMap((phase) => (phase && 'worker' in phase ? [String(phase.worker)] : [])),
    );
    return this.#fleet
      .running('worker')
      .find(({ worker }) => worker?.id !== undefined && holders.has(worker.id));
  }

  /** G7: the doctor finds nothing, and nothing is left that belongs to nobody. */
  async #examine(): Promise<void> {
    if (this.#isBroken) return;
    // Removals and the settling of the last dead member may still be under way.
    await this.#pass(15_000);
    const board = this.#fleet.running('server')[0]?.board;
    if (!board || this.#isBroken) return;
    const report = await this.#drive(board.doctor({ repair: false }), 600_000);
    for (const problem of report?.problems ?? []) {
      this.#history.violate('G7', `the doctor says: ${problem.description}`);
    }
    // What retention removes goes in steps, so that for a moment something of it may be left.
    await this.#pass(60_000, () => this.#leftovers().length === 0);
    this.#checkEnds();
    for (const key of this.#leftovers()) this.#history.violate('G7', `${key} is left over`);
  }

  /** What belongs to nobody once all jobs are final: claims, members without a session, halves of jobs. */
  #leftovers(): readonly string[] {
    const { store, witness } = this.#fleet;
    const keysUnder = (prefix: string): readonly string[] =>
      store.list({ prefix, limit: 1000 }).entries.map(({ key }) => key);
    const members = keysUnder('members/').filter(
      (key) => !witness.isLive(key.slice('members/'.length)),
    );
    return [
      ...['claims/', 'ready/', 'removed/', 'taskends/'].flatMap(keysUnder),
      ...members,
      ...witness.remains(),
    ];
  }
}

function idOf({ id }: WitnessedJob): string {
  return id;
}
