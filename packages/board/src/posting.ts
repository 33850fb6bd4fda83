// Posting: the commit by which a job comes to be (G1, G6).
//
// Invariants:
//   P1. A post is acknowledged only after its one commit has been: spec, status and every index
//       entry, all or nothing.
//   P2. An idempotency key leads to at most one job: its record is created, guarded by its absence,
//       in the same commit as the job.
import { createHash } from 'node:crypto';
import type { Coord, Guard, Write } from '@holdfast/coord';
import {
  AlreadyExistsError,
  type Clock,
  createJobId,
  fromUnknown,
  initialStatus,
  type JobId,
  type JobSpec,
  parseJobId,
  type Random,
  UnavailableError,
} from '@holdfast/core';
import { encodeJobSpec } from '@holdfast/wire';
import { readJob } from './job-reader.ts';
import { idempotencyIndexKey, specKey } from './keys.ts';
import type { NewJob, PostResult } from './new-job.ts';
import type { BoardObserver } from './observer.ts';
import { MAX_PLACEMENT_TRIES, type Placement, type ReadyBuckets } from './ready-buckets.ts';
import { transitionWrites } from './transition.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface PostingParts {
  readonly coord: Coord;
  readonly clock: Clock;
  readonly random: Random;
  readonly buckets: ReadyBuckets;
  readonly observer: BoardObserver;
}

/** Posts one job. Never throws: what goes wrong is the result. */
export async function postJob(parts: PostingParts, job: NewJob): Promise<PostResult> {
  try {
    const spec = createSpec(parts, job);
    return await tryPost(parts, spec);
  } catch (error) {
    return { kind: 'refused', error: fromUnknown(error) };
  }
}

async function tryPost(parts: PostingParts, spec: JobSpec): Promise<PostResult> {
  for (let tries = 0; tries < MAX_PLACEMENT_TRIES; tries += 1) {
    const isDelayed = (spec.runAtUnixMs ?? 0) > parts.clock.nowUnixMs();
    const placement = isDelayed ? undefined : await parts.buckets.place({ spec }, 'posted');
    const result = await parts.coord.commit({
      when: postGuards(spec, placement),
      write: postWrites(spec, placement),
    });
    if (result.committed) {
      parts.observer.posted?.({ queue: spec.queue, flow: spec.flow });
      return { kind: 'posted', id: spec.id, created: true };
    }
    const { idempotencyKey } = spec;
    if (
      idempotencyKey !== undefined &&
      result.failedGuard.key === idempotencyIndexKey(idempotencyKey)
    ) {
      return await resolveRepeat(parts.coord, spec, idempotencyKey);
    }
    // The bucket was sealed under our feet; nothing was written, so another place is as good.
    if (placement) parts.buckets.discard(placement.guard);
  }
  throw new UnavailableError('the job could not be placed in the ready index; post it again', {
    ids: { jobId: spec.id },
  });
}

function postGuards(spec: JobSpec, placement: Placement | undefined): readonly Guard[] {
  const guards: Guard[] = [{ kind: 'absent', key: specKey(spec.id) }];
  if (spec.idempotencyKey !== undefined) {
    guards.unshift({ kind: 'absent', key: idempotencyIndexKey(spec.idempotencyKey) }); // P2
  }
  if (placement) guards.push(placement.guard);
  return guards;
}

function postWrites(spec: JobSpec, placement: Placement | undefined): readonly Write[] {
  const writes: Write[] = [
    { kind: 'put', key: specKey(spec.id), value: encodeJobSpec(spec) },
    ...transitionWrites(spec, undefined, initialStatus(spec, placement?.position)),
  ];
  if (spec.idempotencyKey !== undefined) {
    const key = idempotencyIndexKey(spec.idempotencyKey);
    writes.push({ kind: 'put', key, value: encoder.encode(spec.id) });
  }
  return writes;
}

/** The idempotency key is taken: by the same job, or by another one? */
export async function resolveRepeat(
  coord: Coord,
  spec: JobSpec,
  idempotencyKey: string,
): Promise<PostResult> {
  const key = idempotencyIndexKey(idempotencyKey);
  const entry = (await coord.get([key])).get(key);
  const id = entry && parseJobId(decoder.decode(entry.value), 'stored job id');
  const existing = id && (await readJob(coord, id));
  if (!existing) {
    // Retention removed the job between our commit and this read.
    throw new UnavailableError('the job of this idempotency key was just removed; post it again');
  }
  if (existing.spec.contentDigest === spec.contentDigest) {
    return { kind: 'posted', id: existing.spec.id, created: false };
  }
  return {
    kind: 'refused',
    error: new AlreadyExistsError(
      `idempotency key ${JSON.stringify(idempotencyKey)} belongs to job ${existing.spec.id}, ` +
        'which was posted with other content; nothing was changed. Use another key, or post the same content',
      { ids: { jobId: existing.spec.id } },
    ),
  };
}

function createSpec(parts: PostingParts, job: NewJob): JobSpec {
  const id: JobId = createJobId(parts);
  return { ...job, id, contentDigest: digestContent(job), postedAtUnixMs: parts.clock.nowUnixMs() };
}

/**
 * SHA-256 over what the producer asked for. The trace context is left out: a repeated post comes
 * with another one.
 */
export function digestContent(job: Omit<NewJob, 'trace' | 'idempotencyKey'>): string {
  const { queueMs, attemptMs, totalMs } = job.deadlines;
  const content = JSON.stringify([
    job.flow,
    job.queue,
    job.priority,
    job.delayMs === undefined ? (job.runAtUnixMs ?? null) : { delayMs: job.delayMs },
    job.maxAttempts,
    [queueMs ?? null, attemptMs ?? null, totalMs ?? null],
    job.retentionMs,
    Object.entries(job.labels).sort(([a], [b]) => (a < b ? -1 : 1)),
    job.input.contentType,
  ]);
  return createHash('sha256').update(content).update('\0').update(job.input.data).digest('hex');
}
