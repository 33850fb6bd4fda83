// Runs a campaign: rounds of faults under a workload. Between rounds everything heals, the board has to
// drain, and the checker judges the round.
//
// Every other round is calm: faults strike workers and servers while the store is left alone, so that
// takeovers can be judged against G5. In the others the store is struck as well, and every second one of
// those ends with a rolling restart of everything.
import { setTimeout as delay } from 'node:timers/promises';
import { Board } from '@holdfast/board';
import { openStore } from '@holdfast/cli';
import {
  createSeededRandom,
  type Random,
  silentLogger,
  systemClock,
  systemRandom,
} from '@holdfast/core';
import { BoardInspection } from './board-inspection.ts';
import type { ChaosStore, ChaosStoreKind } from './chaos-store.ts';
import { checkHistory, checkLater } from './checker.ts';
import {
  type Fault,
  type FaultContext,
  rollingRestart,
  serverFaults,
  storeFaults,
  workerFaults,
} from './faults.ts';
import { Fleet, type ServerSlot, type WorkerSlot } from './fleet.ts';
import { FleetLog } from './fleet-log.ts';
import { FleetSampler } from './fleet-sampler.ts';
import type { FaultRecord, History, JobObservation } from './history.ts';
import { Deck, type LaneOptions, runLane, Victims } from './lanes.ts';
import { LedgerService } from './ledger-service.ts';
import { openChaosStore } from './open-chaos-store.ts';
import { type CampaignReport, Tally } from './tally.ts';
import { Workload } from './workload.ts';

const WORKERS = 3;
const SERVERS = 2;
const CONCURRENCY = 12;
/** The least that etcd grants unless it is told otherwise. */
const LEASE_TTL_MS = 2000;
const ROUND_MS = 35_000;
const LOG_INTERVAL_MS = 500;
const PAUSE_MS = { workers: 1200, servers: 1500, store: 1500 } as const;
/**
 * A campaign that makes each fault only once: how long its faults last beside others', and the pauses
 * between them, and how long its calm round is.
 */
const ONCE_PACE = 0.5;
const ONCE_PAUSES = 0.2;
const ONCE_CALM_MS = 11_000;

/** How long a campaign goes on: every fault once, in two rounds, or rounds until time is up. */
export type CampaignLength =
  | { readonly kind: 'once' }
  | { readonly kind: 'minutes'; readonly minutes: number };

export interface CampaignOptions {
  readonly store: ChaosStoreKind;
  /** A whole number of 32 bits: which faults strike whom, in which order and for how long. */
  readonly seed: number;
  readonly length: CampaignLength;
  /** Ends the campaign once the faults under way have healed; the round that it cuts short isn't judged. */
  readonly signal?: AbortSignal | undefined;
  /** Given the report as soon as there is one, before what was started is ended. */
  readonly judged?: ((report: CampaignReport) => Promise<void>) | undefined;
  /** Told what is going on. */
  readonly say?: ((line: string) => void) | undefined;
}

/** Runs a campaign to its end. Everything that it started has ended when it resolves or rejects. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const startedMs = performance.now();
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await openChaosStore(options.store));
  const ledger = stack.use(await LedgerService.open());
  const coord = stack.use(
    await openStore(store.url(store.members.map(({ endpoint }) => endpoint)), {
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    }),
  );
  const board = new Board({ coord });
  const fleet = stack.use(
    await Fleet.open({
      store,
      workers: WORKERS,
      servers: SERVERS,
      leaseTtlMs: LEASE_TTL_MS,
      concurrency: CONCURRENCY,
    }),
  );
  const sampler = stack.use(new FleetSampler({ board, coord }));
  const inspection = new BoardInspection({ board, coord });
  const campaign = new Campaign(options, { store, ledger, fleet, sampler, inspection }, startedMs);
  await campaign.run();
  const report = campaign.report(Math.round((performance.now() - startedMs) / 1000));
  await options.judged?.(report);
  return report;
}

interface CampaignParts {
  readonly store: ChaosStore;
  readonly ledger: LedgerService;
  readonly fleet: Fleet;
  readonly sampler: FleetSampler;
  readonly inspection: BoardInspection;
}

interface Decks {
  readonly workers: Deck<Fault<WorkerSlot>>;
  readonly servers: Deck<Fault<ServerSlot>>;
  readonly store: Deck<Fault<number>>;
}

class Campaign {
  readonly #options: CampaignOptions;
  readonly #parts: CampaignParts;
  readonly #random: Random;
  readonly #context: FaultContext;
  readonly #decks: Decks;
  readonly #tally = new Tally();
  readonly #log = new FleetLog();
  #faults: FaultRecord[] = [];
  /** The jobs of the round before, which are to stay as they are. */
  #before: readonly JobObservation[] = [];
  #round = 0;
  readonly #startedMs: number;

  constructor(options: CampaignOptions, parts: CampaignParts, startedMs: number) {
    this.#startedMs = startedMs;
    this.#options = options;
    this.#parts = parts;
    this.#random = createSeededRandom(options.seed);
    this.#context = {
      fleet: parts.fleet,
      store: parts.store,
      runningOn: (pid) => parts.ledger.runningOn(pid),
      leaseTtlMs: LEASE_TTL_MS,
      pace: this.#pace,
      say: (line) => this.#say(line),
      note: (fault) => {
        this.#faults.push(fault);
        this.#say(`  ${fault.kind}: ${fault.target}`);
      },
    };
    this.#decks = {
      workers: new Deck(workerFaults(this.#context), this.#fork()),
      servers: new Deck(serverFaults(this.#context), this.#fork()),
      store: new Deck(storeFaults(this.#context), this.#fork()),
    };
  }

  async run(): Promise<void> {
    const { length, signal } = this.#options;
    const isOver = (): boolean => {
      if (signal?.aborted) return true;
      if (length.kind === 'once') return this.#round >= 2;
      return performance.now() - this.#startedMs >= length.minutes * 60_000;
    };
    while (!isOver()) {
      this.#round += 1;
      await this.#runRound();
    }
    if (!signal?.aborted) await this.#end();
  }

  report(seconds: number): CampaignReport {
    const { store } = this.#parts;
    const { seed } = this.#options;
    return this.#tally.report({ store: store.version, seed, seconds, missing: this.#missing() });
  }

  #missing(): readonly string[] {
    const { store, fleet } = this.#parts;
    if (fleet.hasClocks) return store.missing;
    return [...store.missing, 'clock jump: libfaketime is not installed'];
  }

  async #runRound(): Promise<void> {
    const isCalm = this.#round % 2 === 1;
    this.#say(`round ${this.#round}${isCalm ? ', the store left alone' : ''}`);
    const { fleet, ledger } = this.#parts;
    const workload = new Workload({
      clients: fleet.servers.map(({ client }) => client),
      ledgerUrl: ledger.url,
      random: this.#fork(),
      round: this.#round,
    });
    const enough = new AbortController();
    const logging = this.#followLog(enough.signal);
    const working = workload.run(enough.signal);
    try {
      await this.#strike(isCalm);
    } finally {
      enough.abort();
      await Promise.all([working, logging]);
    }
    this.#say('  everything has healed');
    if (this.#options.signal?.aborted) return;
    await this.#judge(workload);
  }

  /** Runs the lanes; everything that they struck is well again when it resolves. */
  async #strike(isCalm: boolean): Promise<void> {
    const { fleet, store } = this.#parts;
    const workers = new Victims(fleet.workers, this.#fork());
    const servers = new Victims(fleet.servers, this.#fork());
    const members = new Victims([...store.members.keys()], this.#fork());
    const isOnce = this.#options.length.kind === 'once';
    const lane = <Victim>(
      name: keyof typeof PAUSE_MS,
      deck: Deck<Fault<Victim>>,
      victims: Victims<Victim>,
    ): Omit<LaneOptions<Victim>, 'isOver'> => ({
      deck,
      victims,
      random: this.#fork(),
      pauseMs: PAUSE_MS[name] * (isOnce ? ONCE_PAUSES : 1),
    });
    const { workers: workerDeck, servers: serverDeck, store: storeDeck } = this.#decks;
    const untilMs = performance.now() + (isOnce ? ONCE_CALM_MS : ROUND_MS);
    const areThrough = (): boolean =>
      [workerDeck, serverDeck, storeDeck].every(({ isThrough }) => isThrough);
    const isOver = (): boolean =>
      this.#options.signal?.aborted === true ||
      (isOnce && !isCalm ? areThrough() : performance.now() >= untilMs);
    const lanes = [
      runLane({ ...lane('workers', workerDeck, workers), isOver }),
      runLane({ ...lane('servers', serverDeck, servers), isOver }),
    ];
    if (!isCalm) lanes.push(runLane({ ...lane('store', storeDeck, members), isOver }));
    await Promise.all(lanes);
    const isRestarted = !isCalm && this.#round % 4 === 2 && !this.#options.signal?.aborted;
    if (isRestarted) await rollingRestart(this.#context);
  }

  async #judge(workload: Workload): Promise<void> {
    const { fleet, ledger, sampler, inspection } = this.#parts;
    const { jobIds } = workload;
    const ended = await fleet.replaceEnded();
    const undrained = await inspection.drain(jobIds);
    const leftBehind = await inspection.leftBehind({ hasEnded: false });
    const disagreements = await inspection.disagreements();
    const jobs = await inspection.observe(jobIds);
    const later = await inspection.observe(this.#before.map(({ jobId }) => jobId));
    this.#takeLog();
    const { fencedAttempts, ...reported } = this.#log.take();
    const history: History = {
      ...reported,
      ...sampler.take(),
      posts: workload.posts,
      controls: workload.controls,
      ledger: ledger.take(),
      jobs,
      faults: this.#faults,
      leftBehind,
      disagreements,
      ended,
      undrained,
    };
    this.#faults = [];
    this.#tally.add(history, fencedAttempts);
    this.#found([...checkHistory(history), ...checkLater(this.#before, later)]);
    this.#before = jobs;
    this.#say(`  drained: ${jobs.length} jobs, ${this.#tally.violations.length} violations so far`);
  }

  /** Stops workers and servers in order; then nothing of them may be left on the board. */
  async #end(): Promise<void> {
    const { fleet, inspection } = this.#parts;
    const later = await inspection.observe(this.#before.map(({ jobId }) => jobId));
    await Promise.all(fleet.workers.map((slot) => fleet.stop(slot)));
    await Promise.all(fleet.servers.map((slot) => fleet.stop(slot)));
    const left = await inspection.leftBehind({ hasEnded: true });
    this.#found([
      ...checkLater(this.#before, later),
      ...left.map((what) => ({ kind: 'left behind' as const, what })),
    ]);
  }

  #found(violations: CampaignReport['violations']): void {
    this.#tally.violations.push(...violations);
    for (const { kind, what } of violations) this.#say(`  VIOLATION ${kind}: ${what}`);
  }

  async #followLog(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#takeLog();
      await delay(LOG_INTERVAL_MS, undefined, { signal }).catch(() => undefined); // The round ends.
    }
  }

  #takeLog(): void {
    this.#log.add(this.#parts.fleet.takeLog());
  }

  /** A stream of its own, so that what one lane draws doesn't depend on how fast another is. */
  #fork(): Random {
    return createSeededRandom(Math.floor(this.#random.next() * 2 ** 32));
  }

  get #pace(): number {
    return this.#options.length.kind === 'once' ? ONCE_PACE : 1;
  }

  #say(line: string): void {
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(1);
    this.#options.say?.(`${seconds.padStart(7)} s  ${line}`);
  }
}
