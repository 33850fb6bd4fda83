import { InvalidArgumentError, toFailure } from '@holdfast/core';
import { planOf } from './flow.ts';
import { FlowRun } from './flow-run.ts';
import { checkNumber } from './retry-options.ts';
import type { RunOptions, RunResult } from './run-options.ts';
import { readInput } from './task-values.ts';

/** The most tasks of one run at once. */
export const TASK_CONCURRENCY_MAX = 1000;

/**
 * Runs a flow from where its checkpoints stand, as far as it gets: to success, to failure with
 * everything reverted, to a wait that is too long to sit out, or to where it is stopped.
 *
 * A bad input is a failure of the flow, not an exception. Rejects with what `checkpoint` rejected
 * with, and with InvalidArgumentError for options out of range.
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
  let input: Readonly<Record<string, unknown>>;
  try {
    input = await readInput(plan, options.input);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    return { kind: 'failed', failure: toFailure(error), uncommitted: [] };
  }
  return await new FlowRun(plan, options, input).run();
}
