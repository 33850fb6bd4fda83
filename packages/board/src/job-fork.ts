// Forking: a new job that begins with results of another. The results are copied, since the other job may
// go first; the copies may be more than one commit holds, so they come before the job does.
//
// Invariants:
//   F1. A mark `forks/<id>` is there before the first copy of a job to be, and goes in the commit by which
//       the job comes to be. Every commit of the fork guards on the mark being as it was made.
//   F2. Whoever finds a mark and ends its fork moves the mark first: from then on nothing of that fork can
//       be committed, and the copies can be removed. So a fork that a crash cut off leaves nothing for
//       ever, and a slow one is refused rather than left with half of its copies.
//   F3. The job comes to be in one commit, like a posted one, that guards on the other job being as read.
//   F4. What a fork takes over is not its own: it never reverts it, and its record says no attempt of the
//       new job and no signal of the old.
import { createHash } from 'node:crypto';
import type { Coord, Guard, Version, Write } from '@holdfast/coord';
import {
  type AtomRecord,
  createJobId,
  FailedPreconditionError,
  initialStatus,
  isFinal,
  type JobChange,
  type JobId,
  type JobSpec,
  type JobStatus,
  type Payload,
  type TaskChange,
  UnavailableError,
} from '@holdfast/core';
import { encodeAtom, encodeJobChange, encodeJobSpec } from '@holdfast/wire';
import { planFor } from './job-change.ts';
import { changedAtom } from './job-change-effects.ts';
import { controlWrite, decideOnJob, type JobDecisionParts, refuseTaskJob } from './job-decision.ts';
import { type JobRecords, listAll, readAtoms } from './job-reader.ts';
import {
  atomKey,
  atomsPrefix,
  changeKey,
  FORKS_PREFIX,
  forkKey,
  idempotencyIndexKey,
  lastPart,
  specKey,
} from './keys.ts';
import type { PostResult } from './new-job.ts';
import { digestContent, resolveRepeat } from './posting.ts';
import type { Placement } from './ready-buckets.ts';
import { statusGuard, transitionWrites } from './transition.ts';

/** How a job is to be forked: validated, as far as that goes without the job. */
export interface ForkRequest {
  /** Where the new job begins; absent: at whatever has not succeeded. */
  readonly fromTask?: string | undefined;
  /** Default: the input of the job. */
  readonly input?: Payload | undefined;
  /** `setResult` and `skip` only. */
  readonly changes: readonly TaskChange[];
  /** Default: the queue of the job. */
  readonly queue?: string | undefined;
  /** Who, as the caller says. */
  readonly by: string;
  /** For people; may be empty. */
  readonly reason: string;
  readonly idempotencyKey?: string | undefined;
}

/** Forks that one look ends. */
const SWEEP_BATCH = 200;

/** Guards and writes of a commit besides copies. */
const RESERVED_OPS = 4;
/** Bytes of a commit that copies leave free; a copy has at most a payload and what its errors take. */
const PIECE_SHARE = 0.5;

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();

interface Fork {
  readonly source: JobRecords;
  readonly spec: JobSpec;
  readonly change: JobChange;
  readonly copies: readonly AtomRecord[];
}

/** Posts a job that begins with results of another; see `Board.fork`. */
export async function forkJob(
  parts: JobDecisionParts,
  id: JobId,
  request: ForkRequest,
): Promise<PostResult> {
  return await decideOnJob(parts, id, async (source) => {
    const spec = createForkSpec(parts, source, request);
    const repeat = await findRepeat(parts.coord, spec);
    if (repeat) return repeat;
    refuseTaskJob(source, 'fork');
    refuseUnlessStill(source, request);
    return await tryFork(parts, await prepare(parts, { source, spec, request }));
  });
}

function refuseUnlessStill({ status }: JobRecords, { fromTask }: ForkRequest): void {
  const { id, phase } = status;
  const ids = { jobId: id };
  if (!isFinal(phase.kind) && phase.kind !== 'suspended') {
    throw new FailedPreconditionError(
      `job ${id} is ${phase.kind}, and only a stopped or finished job can be forked; suspend it first`,
      { ids },
    );
  }
  if (phase.kind !== 'succeeded' || fromTask !== undefined) return;
  throw new FailedPreconditionError(
    `job ${id} has succeeded: say from which task the new job is to begin`,
    { ids },
  );
}

/** Whether the idempotency key has led to a job before, and to the same. */
async function findRepeat(coord: Coord, spec: JobSpec): Promise<PostResult | undefined> {
  if (spec.idempotencyKey === undefined) return undefined;
  const key = idempotencyIndexKey(spec.idempotencyKey);
  if (!(await coord.get([key])).has(key)) return undefined;
  return await resolveRepeat(coord, spec, spec.idempotencyKey);
}

function createForkSpec(
  parts: JobDecisionParts,
  { spec: source }: JobRecords,
  request: ForkRequest,
): JobSpec {
  const { idempotencyKey, input = source.input, queue = source.queue } = request;
  const job = { ...source, input, queue, runAtUnixMs: undefined };
  return {
    ...job,
    id: createJobId(parts),
    idempotencyKey,
    contentDigest: digestFork(digestContent(job), source.id, request),
    postedAtUnixMs: parts.clock.nowUnixMs(),
    forkedFrom: source.id,
  };
}

/** Tells a fork from a post of the same content, and from another fork. */
function digestFork(content: string, source: JobId, { fromTask, changes }: ForkRequest): string {
  const told = changes.map((change) =>
    'values' in change && change.values
      ? { ...change, values: Buffer.from(change.values.data).toString('base64') }
      : change,
  );
  const text = JSON.stringify([content, source, fromTask ?? null, told]);
  return createHash('sha256').update(text).digest('hex');
}

/** What the new job takes over, and the record of where it comes from. */
async function prepare(
  parts: JobDecisionParts,
  {
    source,
    spec,
    request,
  }: { readonly source: JobRecords; readonly spec: JobSpec; readonly request: ForkRequest },
): Promise<Fork> {
  const { fromTask, changes, by, reason } = request;
  const from: readonly TaskChange[] =
    fromTask === undefined ? [] : [{ kind: 'retryFrom', task: fromTask }];
  const all = [...changes, ...from];
  const { flow, plan } = await planFor(parts, source, {
    changes: all,
    direction: 'forward',
    isFork: true,
  });
  const given = new Set(changes.flatMap((each) => ('task' in each ? [each.task] : [])));
  const atUnixMs = parts.clock.nowUnixMs();
  const effects = new Map(plan.tasks.map((task) => [task.task, task]));
  const atoms = await readAtoms(parts.coord, source.spec.id, source.control);
  const copies = atoms.flatMap((atom) => {
    const state = plan.states.get(atom.name);
    if (state !== 'success' && state !== 'ignore') return [];
    const effect = given.has(atom.name) ? undefined : effects.get(atom.name);
    return [copyOf(effect ? changedAtom(atom, effect, { seq: 1, atUnixMs }) : atom)];
  });
  const change: JobChange = {
    seq: 1,
    atUnixMs,
    by,
    reason,
    changes,
    tasks: plan.tasks.filter(({ task }) => given.has(task)),
    attempts: 0,
    flowVersion: flow?.version ?? 1,
    resumed: true,
    fork: { jobId: source.spec.id, fromTask },
  };
  return { source, spec, change, copies };
}

/** F4. */
function copyOf(atom: AtomRecord): AtomRecord {
  return {
    ...atom,
    forgivenTries: atom.tries,
    forgivenRevertTries: atom.revertTries,
    signal: undefined,
    taskJob: undefined,
    changes: undefined,
    attempt: 0,
    worker: '',
  };
}

/** Undefined when the other job, or the mark, moved meanwhile: then all of it is decided anew. */
async function tryFork(parts: JobDecisionParts, fork: Fork): Promise<PostResult | undefined> {
  const { coord, buckets, observer } = parts;
  const { spec, source } = fork;
  const key = forkKey(spec.id);
  const made = await coord.commit({
    when: [{ kind: 'absent', key }],
    write: [{ kind: 'put', key, value: NOTHING }],
  });
  if (!made.committed)
    throw new UnavailableError('the fork could not be begun; fork the job again');
  const mark: Guard = { kind: 'unchanged', key, version: made.versionOf(key) }; // F1
  for (const write of piecesOf(coord, fork)) {
    if (!(await coord.commit({ when: [mark], write })).committed) return undefined;
  }
  const { flowVersion } = source.status;
  const placement = await buckets.place({ spec, status: { flowVersion } }, 'posted');
  const status: JobStatus = { ...initialStatus(spec, placement.position), flowVersion };
  const result = await coord.commit({
    when: [mark, ...forkGuards(fork, placement)], // F3
    write: [{ kind: 'remove', key }, ...forkWrites(fork, status)],
  });
  if (result.committed) {
    observer.posted?.({ queue: spec.queue, flow: spec.flow });
    return { kind: 'posted', id: spec.id, created: true };
  }
  if (result.failedGuard.key === placement.guard.key) buckets.discard(placement.guard);
  await endFork(coord, spec.id, mark.version);
  return undefined;
}

function piecesOf(coord: Coord, { spec, copies }: Fork): readonly (readonly Write[])[] {
  const { maxOpsPerCommit, maxCommitBytes } = coord.limits;
  const pieces: Write[][] = [];
  let bytes = 0;
  for (const atom of copies) {
    const value = encodeAtom(atom);
    const write: Write = { kind: 'put', key: atomKey(spec.id, atom.name), value };
    const piece = pieces.at(-1);
    bytes += value.length;
    const hasRoom =
      piece &&
      piece.length < maxOpsPerCommit - RESERVED_OPS &&
      bytes <= maxCommitBytes * PIECE_SHARE;
    if (hasRoom) {
      piece.push(write);
    } else {
      pieces.push([write]);
      bytes = value.length;
    }
  }
  return pieces;
}

function forkGuards({ source, spec }: Fork, placement: Placement): readonly Guard[] {
  const guards: Guard[] = [
    statusGuard(source),
    source.controlGuard,
    { kind: 'absent', key: specKey(spec.id) },
    placement.guard,
  ];
  if (spec.idempotencyKey !== undefined) {
    guards.push({ kind: 'absent', key: idempotencyIndexKey(spec.idempotencyKey) });
  }
  return guards;
}

function forkWrites({ spec, change }: Fork, status: JobStatus): readonly Write[] {
  const { id, idempotencyKey } = spec;
  const writes: Write[] = [
    { kind: 'put', key: specKey(id), value: encodeJobSpec(spec) },
    ...transitionWrites(spec, undefined, status),
    { kind: 'put', key: changeKey(id, change.seq), value: encodeJobChange(change) },
    controlWrite({}, id, { changes: change.seq }),
  ];
  if (idempotencyKey !== undefined) {
    const key = idempotencyIndexKey(idempotencyKey);
    writes.push({ kind: 'put', key, value: encoder.encode(id) });
  }
  return writes;
}

/** Ends forks that a crash cut off, or that are slow. */
export async function sweepForks(coord: Coord): Promise<void> {
  const page = await coord.list({ prefix: FORKS_PREFIX, limit: SWEEP_BATCH });
  for (const { key, version } of page.entries) {
    await endFork(coord, lastPart(key) as JobId, version); // written from a JobId
  }
}

/** F2. Nothing when the mark has moved: the job has come to be, or somebody else ends the fork. */
async function endFork(coord: Coord, id: JobId, version: Version): Promise<void> {
  const key = forkKey(id);
  const moved = await coord.commit({
    when: [{ kind: 'unchanged', key, version }],
    write: [{ kind: 'put', key, value: NOTHING }],
  });
  if (!moved.committed) return;
  const copies = await listAll(coord, atomsPrefix(id));
  const keys = [...copies.map((entry) => entry.key), key];
  const perCommit = coord.limits.maxOpsPerCommit;
  for (let from = 0; from < keys.length; from += perCommit) {
    const write = keys
      .slice(from, from + perCommit)
      .map((each): Write => ({ kind: 'remove', key: each }));
    await coord.commit({ when: [], write });
  }
}
