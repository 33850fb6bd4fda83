// Task jobs: jobs that each run one remote task of another job, their parent. Only the attempt that
// holds the parent posts them, under its fence; from then on they are claimed, run, taken over and ended
// like any job. task-ends.ts tells the parent of their ends, and parent-end.ts ends them with it.
//
// Invariants:
//   R1. A try of a remote task, for one version of the flow, leads to one task job: its key is written in
//       the commit that creates the job, guarded by the key being as read. Whoever asks again gets that
//       job; but one that was cancelled before its task had come to an end is replaced.
//   R2. The parent's record of the task names the task job in the same commit, under the parent's fence
//       (A1): no task job runs of which the parent knows nothing, and none is posted by a lost attempt.
//   R3. Every task job that was ever posted is led to by a key under `taskjobs/<parent>/`, until it is
//       removed with its parent: also one that was replaced.
//   R4. A task job that has ended stays as it is: it is never revived. So its record says for good how
//       its task ended.
import type { Guard, Version, Write } from '@holdfast/coord';
import {
  type AtomRecord,
  assert,
  createJobId,
  type Failure,
  initialStatus,
  isFinal,
  type JobId,
  type JobSpec,
  type JobState,
  type JobStatus,
  type Payload,
  parseJobId,
  type Random,
  type RemoteTask,
  UnavailableError,
  type WorkerId,
  type WorkerLabels,
} from '@holdfast/core';
import {
  decodeAtom,
  decodeJobControl,
  decodeJobStatus,
  encodeAtom,
  encodeJobSpec,
} from '@holdfast/wire';
import { type AttemptParts, refused } from './attempt-writes.ts';
import type { Claim } from './claim.ts';
import { atomKey, controlKey, specKey, statusKey, taskJobKey } from './keys.ts';
import { PARENT_IS_OVER } from './parent-end.ts';
import { digestContent } from './posting.ts';
import { MAX_PLACEMENT_TRIES, type Placement } from './ready-buckets.ts';
import { fenceBaseOf } from './task-job-fence.ts';
import { transitionWrites } from './transition.ts';

/** A remote task that is to be run by a task job. */
export interface NewTaskJob {
  readonly intention: 'execute' | 'revert';
  /** What a worker has to have among its labels to run it. */
  readonly labels: WorkerLabels;
  /** The task's arguments, by what the flow calls them: the input of the task job. */
  readonly args: Payload;
  /** The task's record as this try begins: running, or reverting, under the number of the try. */
  readonly atom: AtomRecord;
  /** Why the flow is reverted, where the task is. */
  readonly flowFailure?: Failure | undefined;
  /** A task job that nobody has claimed by then fails, in milliseconds; undefined = no limit. */
  readonly startTimeoutMs?: number | undefined;
  /** Whether a task job that was cancelled is replaced. Default: true; false for a task that is only to be stopped. */
  readonly replaceCancelled?: boolean | undefined;
}

/** The task job of a try. */
export interface PostedTaskJob {
  readonly id: JobId;
  /** False where an earlier call had posted it, of this attempt or another. */
  readonly created: boolean;
  /**
   * It was cancelled, or told to stop, before this call. Once it has ended cancelled, another can be posted,
   * whose record goes on from the numbers that this one has come to.
   */
  readonly isStopping: boolean;
}

/** A task job, and the name of the task's record. */
export interface TaskJobName {
  readonly id: JobId;
  readonly task: string;
}

/** How a task job stands. */
export interface TaskJobState {
  readonly id: JobId;
  /** `missing`: there is no such job. */
  readonly state: JobState | 'missing';
  /** Who runs it, while it runs. */
  readonly worker?: WorkerId | undefined;
  /** Why it ended as it did, where it is final and has a failure. */
  readonly failure?: Failure | undefined;
  /** The task's record in the task job, once that is final; absent where it has written none. */
  readonly atom?: AtomRecord | undefined;
  /**
   * It was cancelled because its parent was over, or of another version, at the time. Where the parent runs,
   * that is so no more: it was revived since.
   */
  readonly wasOrphaned?: boolean | undefined;
}

export interface TaskJobParts extends AttemptParts {
  readonly random: Random;
}

/** Posts a task job, or finds the one of an earlier call (R1); see `Member.postTaskJob`. */
export async function postTaskJob(
  parts: TaskJobParts,
  claim: Claim,
  task: NewTaskJob,
): Promise<PostedTaskJob> {
  const base = await fenceBaseOf(parts, claim.spec.id, task.atom);
  const remote = remoteTaskOf(claim, task, base);
  const key = taskJobKey(claim.spec.id, remote);
  // One that the record names is there most probably; any other most probably isn't.
  let known = task.atom.taskJob === undefined ? undefined : await findTaskJob(parts, key, remote);
  for (let tries = 0; tries < MAX_PLACEMENT_TRIES; tries += 1) {
    const isToStay = known?.state === 'cancelled' && task.replaceCancelled === false;
    if (known && (isToStay || !isReplaceable(known))) {
      return { id: known.id, created: false, isStopping: known.isStopping };
    }
    if (!(await parts.fences.settle(claim))) throw refused(parts, claim, 'a task job');
    const spec = createSpec(parts, claim, { task, remote });
    const verdict = await tryToPost(parts, claim, { spec, key, known, atom: task.atom });
    if (verdict === 'posted') return { id: spec.id, created: true, isStopping: false };
    if (verdict === 'fenced') throw refused(parts, claim, 'a task job');
    if (verdict === 'known') known = await findTaskJob(parts, key, remote);
  }
  throw new UnavailableError('the task job could not be placed in the ready index; try again', {
    ids: { jobId: claim.spec.id },
  });
}

/** The parent's record of the task of a task job; see `Member.readParentRecord`. */
export async function readParentRecord(
  { coord }: Pick<AttemptParts, 'coord'>,
  { parentId, task }: RemoteTask,
): Promise<AtomRecord | undefined> {
  const key = atomKey(parentId, task);
  const entry = (await coord.get([key])).get(key);
  return entry && decodeAtom(entry.value);
}

/** How these task jobs stand, in the order given; see `Member.readTaskJobs`. */
export async function readTaskJobs(
  { coord }: Pick<AttemptParts, 'coord'>,
  tasks: readonly TaskJobName[],
): Promise<readonly TaskJobState[]> {
  const keys = tasks.map(({ id }) => statusKey(id));
  const entries = await readKeys({ coord }, keys);
  const states = tasks.map(({ id }): TaskJobState => {
    const entry = entries.get(statusKey(id));
    if (!entry) return { id, state: 'missing' };
    const { phase } = decodeJobStatus(entry);
    return {
      id,
      state: phase.kind,
      worker: phase.kind === 'running' ? phase.worker : undefined,
      failure: 'failure' in phase ? phase.failure : undefined,
    };
  });
  // Read after the status: what is final changes no more (R4).
  const ended = tasks.filter((_, index) => {
    const state = states[index]?.state ?? 'missing';
    return state !== 'missing' && isFinal(state);
  });
  const details = await readKeys(
    { coord },
    ended.flatMap(({ id, task }) => [atomKey(id, task), controlKey(id)]),
  );
  return tasks.map(({ id, task }, index): TaskJobState => {
    const state = states[index] ?? { id, state: 'missing' };
    const atom = details.get(atomKey(id, task));
    const status = entries.get(statusKey(id));
    const wasOrphaned =
      state.state === 'cancelled' && status
        ? isOfOrphan(decodeJobStatus(status), details.get(controlKey(id)))
        : undefined;
    return { ...state, atom: atom && decodeAtom(atom), wasOrphaned };
  });
}

/** Who cancels a task job says why in its control, and its own worker, which needs none to, in its history. */
function isOfOrphan({ attempts }: JobStatus, control: Uint8Array | undefined): boolean {
  const { wish = 'none', reason = '' } = control ? decodeJobControl(control) : {};
  const why = wish === 'cancel' ? reason : attempts.at(-1)?.reason;
  return why === PARENT_IS_OVER;
}

/** The task job that a key leads to. */
interface KnownTaskJob {
  readonly id: JobId;
  readonly keyVersion: Version;
  /** Undefined when it isn't there. */
  readonly state: JobState | undefined;
  readonly isStopping: boolean;
  /** Its task has come to its end, whatever became of the job. */
  readonly hasEnded: boolean;
}

/** R1: it never came to an end, and never will. */
function isReplaceable({ state, hasEnded }: KnownTaskJob): boolean {
  return state === undefined || (state === 'cancelled' && !hasEnded);
}

/** A cancel may come when all is done but the end of the job: what the record says counts. */
function hasComeToEnd({ state }: AtomRecord, intention: RemoteTask['intention']): boolean {
  if (state === 'reverted' || state === 'revertFailure') return true;
  return intention === 'execute' && (state === 'success' || state === 'failure');
}

async function findTaskJob(
  { coord }: Pick<AttemptParts, 'coord'>,
  key: string,
  { task, intention }: RemoteTask,
): Promise<KnownTaskJob | undefined> {
  const entry = (await coord.get([key])).get(key);
  if (!entry) return undefined;
  const id = parseJobId(decoder.decode(entry.value), 'stored job id');
  const found = await coord.get([statusKey(id), controlKey(id), atomKey(id, task)]);
  const status = found.get(statusKey(id));
  const atom = found.get(atomKey(id, task));
  const control = found.get(controlKey(id));
  const state = status && decodeJobStatus(status.value).phase.kind;
  const hasEnded = atom !== undefined && hasComeToEnd(decodeAtom(atom.value), intention);
  return {
    id,
    keyVersion: entry.version,
    state,
    hasEnded,
    isStopping:
      (state === 'cancelled' && !hasEnded) ||
      (state !== undefined &&
        !isFinal(state) &&
        control !== undefined &&
        decodeJobControl(control.value).wish === 'cancel'),
  };
}

interface Post {
  readonly spec: JobSpec;
  readonly key: string;
  /** What the key leads to and is replaced. */
  readonly known: KnownTaskJob | undefined;
  readonly atom: AtomRecord;
}

/** R1, R2. */
async function tryToPost(
  parts: TaskJobParts,
  claim: Claim,
  post: Post,
): Promise<'posted' | 'fenced' | 'known' | 'displaced'> {
  const { coord, buckets, fences, observer, clock } = parts;
  const placement = await buckets.place({ spec: post.spec }, 'returned');
  const fence = fences.guardOf(claim);
  const keyGuard = guardOnKey(post);
  const startedMs = clock.monotonicMs();
  // It carries a checkpoint, so a lost answer counts as the one of a checkpoint does.
  const result = await fences.watchOver(claim, () =>
    coord.commit({
      when: [fence, keyGuard, placement.guard], // A1, R1, B1
      write: postWrites(claim, post, placement),
    }),
  );
  observer.committed?.({ what: 'task job', durationMs: clock.monotonicMs() - startedMs });
  if (result.committed) return 'posted';
  const { failedGuard } = result;
  if (failedGuard.key === fence.key) return 'fenced';
  if (failedGuard.key === keyGuard.key) return 'known';
  buckets.discard(placement.guard);
  return 'displaced';
}

function guardOnKey({ key, known }: Post): Guard {
  if (!known) return { kind: 'absent', key };
  return { kind: 'unchanged', key, version: known.keyVersion };
}

function postWrites(
  claim: Claim,
  { spec, key, known, atom }: Post,
  placement: Placement,
): readonly Write[] {
  const { attempt, phase, flowVersion = atom.flowVersion } = claim.status;
  assert(phase.kind === 'running', `job ${claim.spec.id} is claimed`);
  // One that an earlier attempt had posted may be replaced: then the record as read is of that attempt.
  const { worker } = phase;
  const named: AtomRecord = { ...atom, taskJob: spec.id, attempt, worker, flowVersion };
  const writes: Write[] = [
    { kind: 'put', key: specKey(spec.id), value: encodeJobSpec(spec) },
    ...transitionWrites(spec, undefined, initialStatus(spec, placement.position)),
    { kind: 'put', key, value: encoder.encode(spec.id) },
    { kind: 'put', key: atomKey(claim.spec.id, atom.name), value: encodeAtom(named) },
  ];
  if (known) {
    writes.push({ kind: 'put', key: replacedKey(key, known.id), value: encoder.encode(known.id) }); // R3
  }
  return writes;
}

/** Where a task job is led to whose own key leads to another. */
export function replacedKey(key: string, id: JobId): string {
  return `${key}~${id}`;
}

function remoteTaskOf({ spec, status }: Claim, task: NewTaskJob, fenceBase: bigint): RemoteTask {
  const { flowVersion } = status;
  assert(flowVersion !== undefined, `job ${spec.id} was claimed, so it has a version`);
  return {
    parentId: spec.id,
    task: task.atom.name,
    intention: task.intention,
    flowVersion,
    labels: task.labels,
    // Whoever runs it has it run right there. What is to be reverted stands in the parent's record, in the same
    // commit: one that held it twice would be too large for some stores.
    atom: { ...task.atom, taskJob: undefined, result: undefined },
    flowFailure: task.flowFailure,
    fenceBase,
  };
}

/** A task job is for the same workers as its parent, as urgent, and kept as long. */
function createSpec(
  parts: TaskJobParts,
  { spec: parent, status }: Claim,
  { task, remote }: { readonly task: NewTaskJob; readonly remote: RemoteTask },
): JobSpec {
  const content = {
    flow: parent.flow,
    input: task.args,
    queue: parent.queue,
    priority: status.priority,
    maxAttempts: parent.maxAttempts,
    deadlines: { queueMs: task.startTimeoutMs },
    retentionMs: parent.retentionMs,
    labels: parent.labels,
    trace: parent.trace,
  };
  return {
    ...content,
    id: createJobId(parts),
    contentDigest: digestContent(content),
    postedAtUnixMs: parts.clock.nowUnixMs(),
    remoteTask: remote,
  };
}

/** The values of those keys that are there, however many are asked for. */
async function readKeys(
  { coord }: Pick<AttemptParts, 'coord'>,
  keys: readonly string[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const values = new Map<string, Uint8Array>();
  const perGet = coord.limits.maxKeysPerGet;
  const pieces: Promise<void>[] = [];
  for (let from = 0; from < keys.length; from += perGet) {
    const piece = coord.get(keys.slice(from, from + perGet));
    pieces.push(
      piece.then((entries) => {
        for (const [key, { value }] of entries) values.set(key, value);
      }),
    );
  }
  await Promise.all(pieces);
  return values;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
