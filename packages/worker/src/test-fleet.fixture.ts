// What the worker's tests stand on: workers as processes of their own, on one store in memory, with a
// virtual clock, and a proxy that puts faults between a worker and the store.
import { Board, type BoardObserver, type JobView, type NewJob } from '@holdfast/board';
import {
  type CallOptions,
  type Commit,
  type CommitResult,
  type Coord,
  type CoordLimits,
  type CoordStats,
  createMemoryStore,
  type Entry,
  type Key,
  type ListRange,
  type MemoryStore,
  openMemoryCoord,
  type Page,
  type Session,
  type Watch,
} from '@holdfast/coord';
import {
  type Clock,
  createSeededRandom,
  encodeJson,
  type JobId,
  LIMITS,
  type LogFields,
  type Logger,
  OutcomeUnknownError,
  type Random,
  silentLogger,
  sleep,
  type Timer,
  UnavailableError,
  VirtualClock,
} from '@holdfast/core';
import { Worker } from './worker.ts';
import type { WorkerOptions } from './worker-parts.ts';

/** A driver with faults on the way to it. Faults are set by tests and judged at each call. */
export class FaultyCoord implements Coord {
  /** Every call fails, and nothing happens. */
  isAway = false;
  /** Commits happen, but so many of their answers are lost. */
  answersToLose = 0;
  /** Called before each commit; for tests that count them. */
  onCommit: (commit: Commit) => void = () => undefined;
  /** Called before each listing; for tests that count them. */
  onList: (range: ListRange) => void = () => undefined;
  /** Waited for after a commit has happened, before its answer is given. */
  beforeAnswer: (commit: Commit) => Promise<void> = async () => undefined;
  /** How long it takes to arm a watch, in milliseconds. */
  armDelayMs = 0;
  /** Sessions opened so far, oldest first. */
  readonly sessions: Session[] = [];
  readonly #inner: Coord;
  readonly #clock: Clock;

  constructor(inner: Coord, clock: Clock) {
    this.#inner = inner;
    this.#clock = clock;
  }

  get description(): string {
    return this.#inner.description;
  }

  get limits(): CoordLimits {
    return this.#inner.limits;
  }

  get stats(): CoordStats {
    return this.#inner.stats;
  }

  async start(): Promise<void> {
    await this.#inner.start();
  }

  async stop(): Promise<void> {
    await this.#inner.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async get(keys: readonly Key[], options?: CallOptions): Promise<ReadonlyMap<Key, Entry>> {
    this.#check();
    return await this.#inner.get(keys, options);
  }

  async list(range: ListRange, options?: CallOptions): Promise<Page> {
    this.onList(range);
    this.#check();
    return await this.#inner.list(range, options);
  }

  async commit(commit: Commit, options?: CallOptions): Promise<CommitResult> {
    this.onCommit(commit);
    this.#check();
    const result = await this.#inner.commit(commit, options);
    await this.beforeAnswer(commit);
    if (this.answersToLose > 0) {
      this.answersToLose -= 1;
      throw new OutcomeUnknownError('the answer to a commit was lost');
    }
    return result;
  }

  watch(prefix: string, wake: () => void): Watch {
    if (this.armDelayMs === 0) return this.#inner.watch(prefix, wake);
    let inner: Watch | undefined;
    const armed = sleep(this.#clock, this.armDelayMs).then(() => {
      inner = this.#inner.watch(prefix, wake);
      return inner.armed;
    });
    return { armed, close: async () => await inner?.close() };
  }

  async openSession(options: { readonly ttlMs: number }): Promise<Session> {
    this.#check();
    const session = await this.#inner.openSession(options);
    this.sessions.push(session);
    return session;
  }

  #check(): void {
    if (this.isAway) throw new UnavailableError('the store is away');
  }
}

/** The clock of a process that was paused: time has passed, and none of its timers has fired yet. */
export class PausedClock implements Clock {
  /** How long it was paused, in milliseconds. */
  pausedMs = 0;
  readonly #inner: Clock;

  constructor(inner: Clock) {
    this.#inner = inner;
  }

  nowUnixMs(): number {
    return this.#inner.nowUnixMs() + this.pausedMs;
  }

  monotonicMs(): number {
    return this.#inner.monotonicMs() + this.pausedMs;
  }

  startTimer(delayMs: number, callback: () => void): Timer {
    return this.#inner.startTimer(delayMs, callback);
  }
}

/** True for the commit of a claim. */
export function isClaim(commit: Commit): boolean {
  return commit.write.some((write) => write.kind === 'put' && write.key.startsWith('claims/'));
}

/** One line of a log. */
export interface LogLine extends LogFields {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
}

/** A logger that keeps its lines. */
export function recordingLogger(lines: LogLine[], bound: LogFields = {}): Logger {
  const to =
    (level: LogLine['level']) =>
    (fields: LogFields, message: string): void =>
      void lines.push({ ...bound, ...fields, level, message });
  return {
    debug: to('debug'),
    info: to('info'),
    warn: to('warn'),
    error: to('error'),
    child: (fields) => recordingLogger(lines, { ...bound, ...fields }),
  };
}

/** A worker as a process of its own. */
export interface TestWorker {
  readonly worker: Worker;
  readonly board: Board;
  readonly coord: FaultyCoord;
  readonly lines: LogLine[];
  /** Lines with this message, oldest first. */
  readonly logged: (message: string) => readonly LogLine[];
  /** Cuts the worker off from the store for good, as when its process is killed. */
  kill(): Promise<void>;
}

/** A store, a producer, and the workers on it. */
export class TestFleet implements AsyncDisposable {
  readonly clock: VirtualClock = new VirtualClock();
  readonly random: Random;
  readonly store: MemoryStore = createMemoryStore({ clock: this.clock });
  readonly #coords: Coord[] = [];
  readonly #workers: TestWorker[] = [];
  #producer: Promise<Board> | undefined;

  constructor(seed = 1) {
    this.random = createSeededRandom(seed);
  }

  /** The board of a process that is no worker. */
  get producer(): Promise<Board> {
    this.#producer ??= this.#openBoard().then(({ board }) => board);
    return this.#producer;
  }

  /** A worker that is not started yet. */
  async openWorker(
    options: Pick<WorkerOptions, 'flows'> & Partial<WorkerOptions> & { observer?: BoardObserver },
  ): Promise<TestWorker> {
    const lines: LogLine[] = [];
    const logger = recordingLogger(lines);
    const { clock = this.clock } = options;
    const { board, coord } = await this.#openBoard(options.observer, logger, clock);
    const { random } = this;
    const worker = new Worker({ board, coord, clock, random, logger, name: 'w', ...options });
    const opened: TestWorker = {
      worker,
      board,
      coord,
      lines,
      logged: (message) => lines.filter((line) => line.message === message),
      kill: async () => {
        coord.isAway = true;
        await coord.stop();
      },
    };
    this.#workers.push(opened);
    return opened;
  }

  /** A worker that has joined. */
  async startWorker(options: Parameters<TestFleet['openWorker']>[0]): Promise<TestWorker> {
    const opened = await this.openWorker(options);
    await this.drive(opened.worker.start());
    return opened;
  }

  /** Posts one job; `overrides` say what a test is about. */
  async post(flow: string, overrides: Partial<NewJob> = {}): Promise<JobId> {
    const [result] = await (await this.producer).post([
      {
        flow,
        input: encodeJson({}),
        queue: 'default',
        priority: LIMITS.priorityDefault,
        maxAttempts: LIMITS.maxAttemptsDefault,
        deadlines: {},
        retentionMs: LIMITS.retentionDefaultMs,
        labels: {},
        ...overrides,
      },
    ]);
    if (result?.kind !== 'posted') throw new Error(`not posted: ${JSON.stringify(result)}`);
    return result.id;
  }

  async job(id: JobId): Promise<JobView> {
    const view = await (await this.producer).getJob(id);
    if (!view) throw new Error(`there is no job ${id}`);
    return view;
  }

  async stateOf(id: JobId): Promise<string> {
    return (await this.job(id)).status.phase.kind;
  }

  /** Moves time until the condition holds; fails after `limitMs` of virtual time. */
  async until(condition: () => boolean | Promise<boolean>, limitMs = 60_000): Promise<void> {
    const deadlineMs = this.clock.monotonicMs() + limitMs;
    await this.clock.advance(0);
    while (!(await condition())) {
      if (this.clock.monotonicMs() >= deadlineMs) throw new Error(`not within ${limitMs} ms`);
      await this.clock.advance(5);
    }
  }

  /** Moves time until the job is in one of these states. */
  async untilState(id: JobId, ...states: readonly string[]): Promise<JobView> {
    await this.until(async () => states.includes(await this.stateOf(id)));
    return await this.job(id);
  }

  /** Moves time while `work` waits for it. */
  async drive<Result>(work: Promise<Result>): Promise<Result> {
    let isSettled = false;
    const settled = work.then(
      () => void (isSettled = true),
      () => void (isSettled = true),
    );
    await this.until(() => isSettled, 600_000);
    await settled;
    return await work;
  }

  /** Stops every worker and client, dead ones too. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { worker, coord } of this.#workers) {
      coord.answersToLose = 0;
      await this.drive(worker.stop({ immediately: true }));
    }
    await Promise.all(this.#coords.map((coord) => coord.stop()));
  }

  async #openBoard(
    observer: BoardObserver = {},
    logger: Logger = silentLogger,
    clock: Clock = this.clock,
  ): Promise<{ readonly board: Board; readonly coord: FaultyCoord }> {
    const { random } = this;
    const coord = new FaultyCoord(openMemoryCoord(this.store, { clock, random }), clock);
    await coord.start();
    this.#coords.push(coord);
    return { board: new Board({ coord, clock, random, logger, observer }), coord };
  }
}
