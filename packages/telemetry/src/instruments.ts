// Metrics, over OpenTelemetry's API alone: without an SDK every instrument is a no-op.
import type { AttemptRecord, FinalJobState, JobSpec } from '@holdfast/core';
import {
  type Attributes,
  type Counter,
  type Gauge,
  type Histogram,
  type Meter,
  type MetricOptions,
  metrics,
  type UpDownCounter,
} from '@opentelemetry/api';
import { recordLostAttempts } from './attempt-span.ts';
import { ATTRIBUTES, METRICS, type MetricDefinition } from './names.ts';

/** Bounds of every duration histogram, in seconds: from a commit on a fast disk to a long task. */
export const DURATION_BOUNDS_S: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800,
];

interface QueueAndFlow {
  readonly queue: string;
  readonly flow: string;
}

/** Counters of a store's driver since its start; `CoordStats` of the seam is one. */
export interface StoreStats {
  readonly commits: number;
  readonly groups: number;
  readonly reads: number;
}

/** What is reported of the board: an observer for `new Board({ observer })`. Durations in milliseconds. */
export class BoardMetrics {
  readonly #posted: Counter;
  readonly #claimLatency: Histogram;
  readonly #collisions: Counter;
  readonly #rejections: Counter;
  readonly #takeovers: Counter;
  readonly #finished: Counter;
  readonly #jobDuration: Histogram;
  readonly #commitDuration: Histogram;
  readonly #ready: Gauge;
  readonly #oldestReadyAge: Gauge;

  constructor(meter: Meter) {
    this.#posted = counter(meter, METRICS.jobsPosted);
    this.#claimLatency = histogram(meter, METRICS.claimLatency);
    this.#collisions = counter(meter, METRICS.claimCollisions);
    this.#rejections = counter(meter, METRICS.fenceRejections);
    this.#takeovers = counter(meter, METRICS.takeovers);
    this.#finished = counter(meter, METRICS.jobsFinished);
    this.#jobDuration = histogram(meter, METRICS.jobDuration);
    this.#commitDuration = histogram(meter, METRICS.commitDuration);
    this.#ready = gauge(meter, METRICS.readyJobs);
    this.#oldestReadyAge = gauge(meter, METRICS.oldestReadyAge);
  }

  posted(job: QueueAndFlow): void {
    this.#posted.add(1, of(job));
  }

  claimed(job: QueueAndFlow & { readonly waitedMs: number }): void {
    // Two machines' clocks may disagree about which came first.
    this.#claimLatency.record(seconds(Math.max(0, job.waitedMs)), of(job));
  }

  claimCollision(job: { readonly queue: string }): void {
    this.#collisions.add(1, { [ATTRIBUTES.queue]: job.queue });
  }

  fenceRejected(write: { readonly what: string }): void {
    this.#rejections.add(1, { [ATTRIBUTES.write]: write.what });
  }

  /**
   * Besides counting it: a job that was given up has no worker that could export the spans of its
   * lost attempts, so that is done here.
   */
  takenOver(takeover: {
    readonly spec: JobSpec;
    readonly attempts: readonly AttemptRecord[];
    readonly outcome: string;
  }): void {
    if (takeover.outcome !== 'ready') recordLostAttempts(takeover);
    this.#takeovers.add(1, { ...of(takeover.spec), [ATTRIBUTES.outcome]: takeover.outcome });
  }

  finished(job: QueueAndFlow & { readonly state: FinalJobState; readonly totalMs: number }): void {
    const attributes = { ...of(job), [ATTRIBUTES.state]: job.state };
    this.#finished.add(1, attributes);
    this.#jobDuration.record(seconds(Math.max(0, job.totalMs)), attributes);
  }

  committed(commit: { readonly what: string; readonly durationMs: number }): void {
    this.#commitDuration.record(seconds(commit.durationMs), { [ATTRIBUTES.write]: commit.what });
  }

  ready(queue: {
    readonly queue: string;
    readonly jobs: number;
    readonly oldestAgeMs: number;
  }): void {
    const attributes = { [ATTRIBUTES.queue]: queue.queue };
    this.#ready.record(queue.jobs, attributes);
    this.#oldestReadyAge.record(seconds(queue.oldestAgeMs), attributes);
  }
}

/** Metrics of a worker. Durations in milliseconds. */
export class WorkerMetrics {
  readonly #taskDuration: Histogram;
  readonly #attemptsEnded: Counter;
  readonly #running: UpDownCounter;
  readonly #sessionsLost: Counter;

  constructor(meter: Meter) {
    this.#taskDuration = histogram(meter, METRICS.taskDuration);
    this.#attemptsEnded = counter(meter, METRICS.attemptsEnded);
    this.#running = meter.createUpDownCounter(
      METRICS.jobsRunning.name,
      options(METRICS.jobsRunning),
    );
    this.#sessionsLost = counter(meter, METRICS.sessionsLost);
  }

  /** One call of a task; `outcome` is `success` or `failure`. */
  taskEnded(call: {
    readonly flow: string;
    readonly task: string;
    readonly kind: 'execute' | 'revert';
    readonly outcome: 'success' | 'failure';
    readonly durationMs: number;
  }): void {
    this.#taskDuration.record(seconds(call.durationMs), {
      [ATTRIBUTES.flow]: call.flow,
      [ATTRIBUTES.task]: call.task,
      [ATTRIBUTES.kind]: call.kind,
      [ATTRIBUTES.outcome]: call.outcome,
    });
  }

  attemptStarted(job: QueueAndFlow): void {
    this.#running.add(1, of(job));
  }

  /** `outcome` is how the attempt ended, `lost` when this worker may write nothing more about it. */
  attemptEnded(job: QueueAndFlow, outcome: string): void {
    this.#running.add(-1, of(job));
    this.#attemptsEnded.add(1, { ...of(job), [ATTRIBUTES.outcome]: outcome });
  }

  sessionLost(): void {
    this.#sessionsLost.add(1);
  }
}

/** All metrics of one process. */
export interface Instruments {
  readonly board: BoardMetrics;
  readonly worker: WorkerMetrics;
  /** Reports the counters of a store's driver. Returns what ends that. */
  readonly observeStore: (stats: StoreStats) => () => void;
}

/**
 * Creates every instrument, once for each process. Call it after `startTelemetry`: OpenTelemetry
 * gives no-op instruments to whoever asks before its SDK is set up, and they stay so.
 */
export function createInstruments(): Instruments {
  const meter = metrics.getMeter('@holdfast/telemetry');
  return {
    board: new BoardMetrics(meter),
    worker: new WorkerMetrics(meter),
    observeStore: (stats) => observeStore(meter, stats),
  };
}

function observeStore(meter: Meter, stats: StoreStats): () => void {
  const commits = meter.createObservableCounter(
    METRICS.storeCommits.name,
    options(METRICS.storeCommits),
  );
  const groups = meter.createObservableCounter(
    METRICS.storeGroups.name,
    options(METRICS.storeGroups),
  );
  const reads = meter.createObservableCounter(METRICS.storeReads.name, options(METRICS.storeReads));
  const groupSize = meter.createObservableGauge(
    METRICS.storeGroupSize.name,
    options(METRICS.storeGroupSize),
  );
  const instruments = [commits, groups, reads, groupSize];
  let before = { commits: stats.commits, groups: stats.groups };
  const observe: Parameters<Meter['addBatchObservableCallback']>[0] = (result) => {
    result.observe(commits, stats.commits);
    result.observe(groups, stats.groups);
    result.observe(reads, stats.reads);
    const newGroups = stats.groups - before.groups;
    if (newGroups > 0) result.observe(groupSize, (stats.commits - before.commits) / newGroups);
    before = { commits: stats.commits, groups: stats.groups };
  };
  meter.addBatchObservableCallback(observe, instruments);
  return () => meter.removeBatchObservableCallback(observe, instruments);
}

function counter(meter: Meter, definition: MetricDefinition): Counter {
  return meter.createCounter(definition.name, options(definition));
}

function gauge(meter: Meter, definition: MetricDefinition): Gauge {
  return meter.createGauge(definition.name, options(definition));
}

function histogram(meter: Meter, definition: MetricDefinition): Histogram {
  return meter.createHistogram(definition.name, {
    ...options(definition),
    advice: { explicitBucketBoundaries: [...DURATION_BOUNDS_S] },
  });
}

function options(definition: MetricDefinition): MetricOptions {
  return { unit: definition.unit, description: definition.description };
}

function of(job: QueueAndFlow): Attributes {
  return { [ATTRIBUTES.queue]: job.queue, [ATTRIBUTES.flow]: job.flow };
}

function seconds(ms: number): number {
  return ms / 1000;
}
