import { type Failure, toFailure } from '@holdfast/core';
import { planOf } from './flow.ts';
import type { FlowPlan } from './flow-plan.ts';
import { FlowRun } from './flow-run.ts';
import { checkNumber } from './retry-options.ts';
import type { RunOptions, RunResult } from './run-options.ts';
import { readInput, type Values } from './run-values.ts';
import { WorkflowRun } from './workflow-run.ts';
import { workflowOf } from './workflow-spec.ts';

/** The most tasks of one run at once. */
export const TASK_CONCURRENCY_MAX = 1000;

/**
 * Runs a flow from where its checkpoints stand, as far as it gets: to success, to failure with
 * everything reverted, to a wait that is too long to sit out, or to where it is stopped.
 *
 * A bad input is a failure of the flow, not an exception. Rejects with what `checkpoint` rejected
 * with, with InvalidArgumentError for options out of range, and with a defect of the observer or of
 * the engine itself.
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
  // A schema is user code: it may throw, and it may take for ever.
  const read = await unlessAborted(tryInput(plan, options), options.signal);
  if (!read) return { kind: 'stopped', uncommitted: [] };
  const workflow = workflowOf(options.flow);
  if (!workflow) return await new FlowRun(plan, options, read.input).run(read.failure);
  // Without its input the function can't be called, so nothing is known that could be reverted.
  if (read.failure) return { kind: 'failed', failure: read.failure, uncommitted: [] };
  return await new WorkflowRun(workflow, options, read.input).run();
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

/** What the promise resolves to, or undefined when the signal aborts first. */
async function unlessAborted<Value>(
  promise: Promise<Value>,
  signal: AbortSignal,
): Promise<Value | undefined> {
  if (signal.aborted) return undefined;
  const aborted = Promise.withResolvers<undefined>();
  const abort = (): void => aborted.resolve(undefined);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
