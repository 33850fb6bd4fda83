import {
  type AtomRecord,
  FailedPreconditionError,
  type Failure,
  type Timer,
  toFailure,
} from '@holdfast/core';
import { planOf } from './flow.ts';
import type { FlowPlan } from './flow-plan.ts';
import { FlowRun } from './flow-run.ts';
import { findForeignVersion, migrateRecords } from './migrate-records.ts';
import { checkNumber } from './retry-options.ts';
import { type RunOptions, type RunResult, STOP_GRACE_MS } from './run-options.ts';
import { readInput, type Values } from './run-values.ts';
import { WorkflowRun } from './workflow-run.ts';
import { workflowOf } from './workflow-spec.ts';

/** How long a job whose records this version of its flow can't go on with waits until a worker looks again. */
export const CONTINUE_RETRY_MS = 60_000;

const STOPPED: RunResult = Object.freeze({ kind: 'stopped', uncommitted: [] });

/** The most tasks of one run at once. */
export const TASK_CONCURRENCY_MAX = 1000;

/**
 * Runs a flow from where its checkpoints stand, as far as it gets: to success, to failure with
 * everything reverted, to a wait that is too long to sit out, or to where it is stopped.
 *
 * A bad input is a failure of the flow, not an exception. Rejects with what `checkpoint` rejected
 * with, with InvalidArgumentError for options out of range, and with a defect of the observer or of
 * the engine itself.
 *
 * Records that this version of the flow can't go on with end the run as 'waiting', for
 * {@link CONTINUE_RETRY_MS}, with nothing done; a run that is to wait here for whatever it waits for fails.
 */
export async function runFlow(options: RunOptions): Promise<RunResult> {
  checkNumber('concurrency', options.concurrency, {
    min: 1,
    max: TASK_CONCURRENCY_MAX,
    whole: true,
  });
  checkNumber('releaseAfterMs', options.releaseAfterMs, {
    min: 0,
    max: Number.POSITIVE_INFINITY,
    whole: false,
  });
  const plan = planOf(options.flow);
  const workflow = workflowOf(options.flow);
  const atoms = workflow ? continueWorkflow(plan, options) : await continueFlow(plan, options);
  if ('kind' in atoms) return atoms;
  // A schema is user code: it may throw, and it may take for ever.
  const read = await unlessAborted(tryInput(plan, options), options);
  if (!read) return STOPPED;
  if (!workflow)
    return await new FlowRun(plan, { ...options, atoms }, read.input).run(read.failure);
  // Without its input the function can't be called, so nothing is known that could be reverted.
  if (read.failure) return { kind: 'failed', failure: read.failure, uncommitted: [] };
  return await new WorkflowRun(workflow, options, read.input).run();
}

/** The records that the flow goes on from, or how the run ends that can't. */
async function continueFlow(
  plan: FlowPlan,
  options: RunOptions,
): Promise<readonly AtomRecord[] | RunResult> {
  const { identity, atoms, input, clock, logger } = options;
  const job = { identity, atoms, input, nowUnixMs: clock.nowUnixMs(), logger };
  const migrated = await unlessAborted(migrateRecords(plan, job), options);
  if (!migrated) return STOPPED;
  if (migrated.kind === 'refused') return refuse(options, migrated.reason);
  for (const records of migrated.first) {
    // One that is under way is waited for, as any checkpoint of a run is.
    const write = async (): Promise<true> => {
      await options.checkpoint(records);
      return true;
    };
    if (options.signal.aborted || !(await unlessAborted(write(), options, STOP_GRACE_MS))) {
      return STOPPED;
    }
  }
  return migrated.atoms;
}

/** A durable function has no migrations: it finds out itself whether its code fits. */
function continueWorkflow(plan: FlowPlan, options: RunOptions): readonly AtomRecord[] | RunResult {
  const reason = findForeignVersion(plan, options.atoms);
  return reason === undefined ? options.atoms : refuse(options, reason);
}

/** Nothing of the job is lost: another worker may be able to go on with it, or this one when its code was mended. */
function refuse(options: RunOptions, reason: string): RunResult {
  const { flow, identity, clock, logger, signals, releaseAfterMs } = options;
  const { name, version } = flow;
  const fields = { flow: name, version, jobId: identity.jobId, reason };
  logger.error(fields, 'this version of the flow can not go on with the job');
  if (releaseAfterMs === Number.POSITIVE_INFINITY) {
    const message = `job ${identity.jobId} can't go on with version ${version} of flow ${name}: ${reason}`;
    return {
      kind: 'failed',
      failure: toFailure(new FailedPreconditionError(message)),
      uncommitted: [],
    };
  }
  return {
    kind: 'waiting',
    untilUnixMs: clock.nowUnixMs() + CONTINUE_RETRY_MS,
    waitsForSignal: false,
    remoteTasks: 0,
    needsOtherCode: true,
    signalsSeen: signals?.received().at(-1)?.seq ?? 0,
    reason,
    uncommitted: [],
  };
}

interface ReadInput {
  readonly input: Values;
  /** Why there is no input. What earlier attempts did, with one that was good then, is reverted. */
  readonly failure?: Failure;
}

async function tryInput(plan: FlowPlan, options: RunOptions): Promise<ReadInput> {
  try {
    return { input: await readInput(plan, options.input) };
  } catch (error) {
    return { input: {}, failure: toFailure(error) };
  }
}

/** What the promise resolves to, or undefined when the signal aborts first, so many milliseconds before it resolves. */
async function unlessAborted<Value>(
  promise: Promise<Value>,
  { signal, clock }: Pick<RunOptions, 'signal' | 'clock'>,
  graceMs: number = 0,
): Promise<Value | undefined> {
  if (signal.aborted) return undefined;
  const aborted = Promise.withResolvers<undefined>();
  let timer: Timer | undefined;
  const abort = (): void => {
    if (graceMs === 0) aborted.resolve(undefined);
    else timer = clock.startTimer(graceMs, () => aborted.resolve(undefined));
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
    timer?.cancel();
  }
}
