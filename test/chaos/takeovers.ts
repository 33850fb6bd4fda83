// How long the jobs of a dead worker stood still (G5): from the fault until another attempt of the job
// writes to the outside ledger, both on the runner's clock.
//
// A takeover is JUDGED against G5's bound where capacity was free, and only measured otherwise. Of the
// time from the fault to the bound, capacity was free when
//   - no other fault struck the store, from SETTLE_MS before the fault on, and the store answered a
//     write and a look at the fleet every SAMPLE_GAP_MS at the latest;
//   - in each of these looks the live workers that no fault concerned had at least as many free places
//     as the dead worker held jobs;
//   - the runner itself was never late by a quarter of a second (then so was everybody else);
//   - the attempt that follows the lost one was the first to write: its own worker was not struck too.
//
// Only jobs of which something runs all the time are measured: one that pauses, waits, or has its tasks
// run elsewhere writes nothing to the ledger, whoever holds it.
import { FLOW_FACTS } from './flow-facts.ts';
import type { FaultRecord, FleetSample, History, LedgerEntry, TakeoverClass } from './history.ts';

/** After a fault of the store its leader may be new, and a new leader gives each lease its whole TTL again. */
export const SETTLE_MS = 8000;
const SAMPLE_GAP_MS = 1000;

/** Why a takeover was not judged. */
export type Exclusion =
  | 'store fault'
  | 'no answer from the store'
  | 'no free places'
  | 'machine busy'
  | 'struck again';

/** One job that was taken over. */
export interface TakeoverGap {
  readonly jobId: string;
  /** Number of the attempt that was lost. */
  readonly attempt: number;
  readonly class: TakeoverClass;
  readonly gapMs: number;
  readonly boundMs: number;
  /** Undefined: it is judged. */
  readonly excluded: Exclusion | undefined;
}

/** All takeovers that followed the faults of a history. */
export function measureTakeovers(history: History): readonly TakeoverGap[] {
  const steady = new Set(
    history.posts.flatMap(({ flow, jobId }) => (FLOW_FACTS[flow]?.isSteady ? [jobId] : [])),
  );
  const entries = history.ledger.filter(({ jobId }) => steady.has(jobId));
  const byJob = Map.groupBy(entries, (entry) => entry.jobId);
  return history.faults.flatMap((fault) => gapsOf(fault, { history, byJob }));
}

interface Seen {
  readonly history: History;
  readonly byJob: ReadonlyMap<string, readonly LedgerEntry[]>;
}

function gapsOf(fault: FaultRecord, { history, byJob }: Seen): readonly TakeoverGap[] {
  const { takeover } = fault;
  if (!takeover) return [];
  const held: { jobId: string; lost: number; next: LedgerEntry }[] = [];
  for (const job of history.jobs) {
    const entries = byJob.get(job.jobId) ?? [];
    const last = entries.findLast((entry) => entry.atMs <= fault.atMs);
    if (last?.pid !== takeover.pid) continue;
    const record = job.attempts.find(({ number }) => number === last.attempt);
    if (record?.end !== 'lost') continue;
    const next = entries.find((entry) => entry.atMs > fault.atMs && entry.attempt > last.attempt);
    if (!next || isRevived(history, job.jobId, { fromMs: fault.atMs, toMs: next.atMs })) continue;
    held.push({ jobId: job.jobId, lost: last.attempt, next });
  }
  const excluded = exclusionOf(fault, { history, jobs: held.length });
  return held.map(({ jobId, lost, next }) => ({
    jobId,
    attempt: lost,
    class: takeover.class,
    gapMs: next.atMs - fault.atMs,
    boundMs: takeover.boundMs,
    excluded: excluded ?? (next.attempt > lost + 1 ? 'struck again' : undefined),
  }));
}

/** What was cancelled ended with its worker; it runs again because of the revive. */
function isRevived(history: History, jobId: string, { fromMs, toMs }: Span): boolean {
  return history.controls.some(
    (one) =>
      one.what === 'revive' &&
      one.jobId === jobId &&
      one.outcome !== 'refused' &&
      one.endedMs >= fromMs &&
      one.sentMs <= toMs,
  );
}

function exclusionOf(
  fault: FaultRecord,
  seen: { readonly history: History; readonly jobs: number },
): Exclusion | undefined {
  const { history, jobs } = seen;
  const window = { fromMs: fault.atMs, toMs: fault.atMs + (fault.takeover?.boundMs ?? 0) };
  const others = history.faults.filter((other) => other !== fault);
  const settled = { fromMs: window.fromMs - SETTLE_MS, toMs: window.toMs };
  if (others.some((other) => isOfStore(other) && overlaps(other, settled))) return 'store fault';
  const samples = history.samples.filter(
    ({ atMs }) => atMs >= window.fromMs - SAMPLE_GAP_MS && atMs <= window.toMs,
  );
  if (!isCovered(samples, window)) return 'no answer from the store';
  const stalls = history.stalls.map(({ atMs, lastedMs }) => ({ atMs, endMs: atMs + lastedMs }));
  if (stalls.some((stall) => overlaps(stall, window))) return 'machine busy';
  const struck = new Set(
    [fault, ...others.filter((other) => overlaps(other, window))].map(({ target }) => target),
  );
  const isShort = samples.some((sample) => freePlaces(sample, struck) < jobs);
  return isShort ? 'no free places' : undefined;
}

function isOfStore({ lane }: FaultRecord): boolean {
  return lane === 'store' || lane === 'everything';
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

function overlaps(event: { readonly atMs: number; readonly endMs: number }, span: Span): boolean {
  return event.atMs <= span.toMs && event.endMs >= span.fromMs;
}

function isCovered(samples: readonly FleetSample[], { fromMs, toMs }: Span): boolean {
  let answeredMs = fromMs - SAMPLE_GAP_MS;
  for (const { atMs, tookMs } of samples) {
    if (atMs + tookMs - answeredMs > SAMPLE_GAP_MS * 2 || tookMs > SAMPLE_GAP_MS) return false;
    answeredMs = atMs + tookMs;
  }
  return toMs - answeredMs <= SAMPLE_GAP_MS;
}

function freePlaces(sample: FleetSample, struck: ReadonlySet<string>): number {
  return Object.entries(sample.freePlaces)
    .filter(([worker]) => !struck.has(worker))
    .reduce((sum, [, places]) => sum + places, 0);
}
