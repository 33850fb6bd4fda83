// Changing what a stopped job goes on with: operators' surgery. A request is one commit: a record of what
// it changes, counted in the job's control, and the status where the job is made ready. What it does to
// tasks follows from that record whenever they are read (job-change-effects.ts).
//
// Invariants:
//   O1. A change is decided from a status and a control as read before the tasks' records, and committed
//       under guards on both (W1). What else moves a stopped job, or writes its records, writes one of
//       the two: so a change holds in full, or is decided anew.
//   O2. Only a stopped job is changed: suspended, or final and not succeeded. Nobody may claim it until it
//       is made ready, so no attempt ever sees half of anything.
//   O3. Changes are numbered from 1 without a gap, never change, and go with their job.
import type { Write } from '@holdfast/coord';
import {
  FailedPreconditionError,
  HoldfastError,
  InvalidArgumentError,
  isFinal,
  type JobChange,
  type JobId,
  type JobStatus,
  LIMITS,
  type TaskChange,
  transitionJob,
} from '@holdfast/core';
import { decodeFlow, encodeJobChange } from '@holdfast/wire';
import type { FlowRecord } from './flow-record.ts';
import { planFunctionChange } from './job-change-function.ts';
import { type ChangeDirection, type ChangePlan, planChange } from './job-change-plan.ts';
import {
  commitDecision,
  controlOf,
  controlWrite,
  decideOnJob,
  type JobDecisionParts,
  refuseTaskJob,
} from './job-decision.ts';
import { type JobRecords, readAtoms, readChanges, readJobs } from './job-reader.ts';
import type { JobControl } from './job-view.ts';
import { changeKey, flowKey } from './keys.ts';
import type { Placement } from './ready-buckets.ts';

/** What is to be changed about a job, by whom and why: validated, as far as that goes without the job. */
export interface ChangeRequest {
  readonly changes: readonly TaskChange[];
  /** Who, as the caller says. */
  readonly by: string;
  /** For people; may be empty. */
  readonly reason: string;
  /** Makes the job ready too. */
  readonly resume: boolean;
  /** Changes nothing. */
  readonly isDryRun: boolean;
}

/** What a request has changed, or would. */
export interface ChangeResult {
  readonly change: JobChange;
  /** The job after the request. */
  readonly status: JobStatus;
}

/** Bytes that a commit keeps free for all that travels with a change. */
const RESERVED_BYTES = 65_536;

/** Changes a stopped job; see `Board.change`. */
export async function changeJob(
  parts: JobDecisionParts,
  id: JobId,
  request: ChangeRequest,
): Promise<ChangeResult> {
  checkTogether(request);
  return await decideOnJob(parts, id, async (job) => {
    refuseTaskJob(job, 'change');
    refuseUnlessStopped(job);
    if (request.resume) refuseLate(parts, job);
    const earlier = await readChanges(parts.coord, id, job.control);
    const change = await decideChange(parts, job, request);
    refuseTooMany(parts, { earlier, change });
    if (request.isDryRun) return { change, status: job.status };
    const { after, placement, control } = await moveOn(parts, job, request);
    const record: Write = {
      kind: 'put',
      key: changeKey(id, change.seq),
      value: encodeJobChange(change),
    };
    const counted = controlWrite(job, id, { ...control, changes: change.seq });
    const status = await commitDecision(parts, job, { after, placement, write: [record, counted] }); // O1
    return status && { change, status };
  });
}

/** Throws InvalidArgumentError for what can't be asked for at once. */
function checkTogether({ changes, resume }: ChangeRequest): void {
  const kinds = new Set(changes.map(({ kind }) => kind));
  const forward = (['retryFrom', 'setResult', 'skip'] as const).find((kind) => kinds.has(kind));
  const backward = (['revert', 'retryRevert'] as const).find((kind) => kinds.has(kind));
  if (forward && backward) {
    const description = `going on (${forward}) and reverting (${backward}) exclude each other; ask for one of them`;
    throw new InvalidArgumentError([{ field: 'changes', description }]);
  }
  if (kinds.has('revert') && !resume) {
    const description = 'has to be true with revert, for which a worker is needed';
    throw new InvalidArgumentError([{ field: 'resume', description }]);
  }
}

function refuseUnlessStopped({ status }: JobRecords): void {
  const { id, phase } = status;
  const ids = { jobId: id };
  if (phase.kind === 'succeeded') {
    throw new FailedPreconditionError(`job ${id} has succeeded and can't be changed; fork it`, {
      ids,
    });
  }
  if (isFinal(phase.kind) || phase.kind === 'suspended') return;
  throw new FailedPreconditionError(
    `job ${id} is ${phase.kind}, and only a stopped job can be changed; suspend it first`,
    { ids },
  );
}

function refuseLate({ clock }: JobDecisionParts, { spec, status }: JobRecords): void {
  const { totalMs } = spec.deadlines;
  const isOver = totalMs !== undefined && clock.nowUnixMs() >= spec.postedAtUnixMs + totalMs;
  if (!isOver || !isFinal(status.phase.kind)) return;
  throw new FailedPreconditionError(
    `job ${spec.id}: its total deadline of ${totalMs} ms has passed; fork it instead`,
    { ids: { jobId: spec.id } },
  );
}

/** The record of what the request comes to. */
async function decideChange(
  parts: JobDecisionParts,
  job: JobRecords,
  request: ChangeRequest,
): Promise<JobChange> {
  const { by, reason, changes, resume } = request;
  const { flow, plan } = await planFor(parts, job, { changes, direction: directionOf(request) });
  return {
    seq: controlOf(job).changes + 1,
    atUnixMs: parts.clock.nowUnixMs(),
    by,
    reason,
    changes,
    tasks: plan.tasks,
    attempts: job.status.attempt,
    flowVersion: flow?.version ?? job.status.flowVersion ?? 1,
    resumed: resume,
  };
}

/** Where the job goes by the request. */
function directionOf({ changes, resume }: ChangeRequest): ChangeDirection {
  if (changes.some(({ kind }) => kind === 'retryFrom')) return 'forward';
  if (!resume) return 'nowhere';
  return changes.some(({ kind }) => kind === 'setResult' || kind === 'skip')
    ? 'forward'
    : 'backward';
}

/** What the changes come to, by the records of the job and the flow that is registered. */
export async function planFor(
  parts: Pick<JobDecisionParts, 'coord'>,
  job: JobRecords,
  wanted: {
    readonly changes: readonly TaskChange[];
    readonly direction: ChangeDirection;
    readonly isFork?: boolean;
  },
): Promise<{ readonly flow: FlowRecord | undefined; readonly plan: ChangePlan }> {
  const { id, flow: name } = job.spec;
  const atoms = await readAtoms(parts.coord, id, job.control);
  const key = flowKey(name);
  const entry = (await parts.coord.get([key])).get(key);
  const flow = entry && decodeFlow(entry.value, key);
  const isWhole = wanted.changes.every(({ kind }) => kind === 'revert') && !wanted.isFork;
  if (isWhole) refuseWithoutWork(job, atoms);
  if (!flow) {
    // Whoever reverts it knows the flow.
    if (isWhole) return { flow, plan: { tasks: [], states: new Map() } };
    throw refusal(job, `its flow ${name} is not registered; start a worker that serves it`);
  }
  if (flow.nodes.length === 0) {
    if (wanted.isFork) throw refusal(job, `${name} is a durable function; post another job`);
    const { changes } = wanted;
    return { flow, plan: planFunctionChange({ id, flow, atoms, changes }) };
  }
  const versions = new Set([job.status.flowVersion ?? flow.version]);
  for (const atom of atoms) versions.add(atom.flowVersion);
  versions.delete(flow.version);
  const [other] = versions;
  if (other !== undefined && !isWhole) {
    throw refusal(
      job,
      `it was run with version ${other} of its flow, and version ${flow.version} is registered`,
    );
  }
  const plan = planChange({ ...wanted, id, flow, atoms });
  if (!wanted.isFork) await refuseRunningElsewhere(parts, job, { plan, atoms });
  return { flow, plan };
}

function refusal({ spec: { id } }: JobRecords, why: string): FailedPreconditionError {
  return new FailedPreconditionError(`job ${id} can't be changed so: ${why}`, {
    ids: { jobId: id },
  });
}

type Atoms = Awaited<ReturnType<typeof readAtoms>>;

function refuseWithoutWork(job: JobRecords, atoms: Atoms): void {
  const isDone = ({ state }: Atoms[number]): boolean =>
    state === 'reverted' || state === 'ignore' || state === 'pending';
  if (atoms.every(isDone)) throw refusal(job, 'nothing is left of it to revert');
}

/** A task that another worker is at must not be begun anew beside it. */
async function refuseRunningElsewhere(
  { coord }: Pick<JobDecisionParts, 'coord'>,
  job: JobRecords,
  { plan, atoms }: { readonly plan: ChangePlan; readonly atoms: Atoms },
): Promise<void> {
  const changed = new Set(plan.tasks.map(({ task }) => task));
  const elsewhere = atoms.filter(
    ({ name, state }) => changed.has(name) && (state === 'running' || state === 'reverting'),
  );
  const ids = elsewhere.flatMap(({ taskJob }) => taskJob ?? []);
  if (ids.length === 0) return;
  for (const { status } of (await readJobs(coord, ids)).values()) {
    if (isFinal(status.phase.kind)) continue;
    throw refusal(
      job,
      `job ${status.id} still runs one of the tasks; cancel that one, or let it end`,
    );
  }
}

function refuseTooMany(
  { coord }: JobDecisionParts,
  { earlier, change }: { readonly earlier: readonly JobChange[]; readonly change: JobChange },
): void {
  const bytes = encodeJobChange(change).length;
  const { maxValueBytes, maxCommitBytes } = coord.limits;
  const most = Math.min(maxValueBytes, maxCommitBytes - RESERVED_BYTES);
  if (bytes > most) {
    throw exhausted(
      `this change takes ${bytes} bytes, and the store has room for ${most}; change fewer tasks, or less of their values, at once`,
    );
  }
  const before = earlier.reduce((sum, each) => sum + encodeJobChange(each).length, 0);
  const isFull =
    earlier.length >= LIMITS.changesPerJob || before + bytes > LIMITS.changeBytesPerJob;
  if (!isFull) return;
  throw exhausted(
    `the job was changed ${earlier.length} times by ${before} bytes; it takes ${LIMITS.changesPerJob} changes ` +
      `of ${LIMITS.changeBytesPerJob} bytes in all, so fork it`,
  );
}

function exhausted(message: string): HoldfastError {
  return new HoldfastError('RESOURCE_EXHAUSTED', message);
}

/** The job's status and what is wanted of it, after the request. */
async function moveOn(
  parts: JobDecisionParts,
  job: JobRecords,
  request: ChangeRequest,
): Promise<{
  readonly after: JobStatus;
  readonly placement?: Placement;
  readonly control: Partial<JobControl>;
}> {
  if (!request.resume) return { after: job.status, control: {} };
  const atUnixMs = parts.clock.nowUnixMs();
  const placement = await parts.buckets.place(job, 'returned');
  const { position } = placement;
  const kind = job.status.phase.kind === 'suspended' ? 'makeReady' : 'revive';
  // Who changes a job gives it its whole time anew, as a revival does.
  const after = {
    ...transitionJob(job.status, { kind, atUnixMs, position }),
    startedAtUnixMs: undefined,
  };
  return { after, placement, control: wishAfter(job, request, atUnixMs) };
}

/** One that was cancelled ends so too when it goes on with its revert. */
function wishAfter(
  job: JobRecords,
  request: ChangeRequest,
  requestedAtUnixMs: number,
): Partial<JobControl> {
  const { changes, reason } = request;
  if (changes.some(({ kind }) => kind === 'revert')) {
    return { wish: 'cancelWithRevert', reason, requestedAtUnixMs };
  }
  if (directionOf(request) === 'forward') return { wish: 'none', reason: '' };
  const { kind } = job.status.phase;
  if (kind === 'cancelled') return { wish: 'cancelWithRevert' };
  return kind === 'suspended' ? {} : { wish: 'none', reason: '' };
}
