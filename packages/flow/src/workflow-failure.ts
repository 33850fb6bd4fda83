import { type Failure, HoldfastError } from '@holdfast/core';

/**
 * A step, or a wait, that has failed for good, as the durable function sees it: made from what was
 * stored, so that it is the same when the function gets it again. `name` and `message` are those of
 * what the step threw.
 */
export class StepFailedError extends Error {
  override readonly name: string;
  readonly step: string;
  readonly failure: Failure;

  constructor(step: string, failure: Failure) {
    super(failure.message);
    this.name = failure.type;
    this.step = step;
    this.failure = failure;
  }
}

/** A wait whose time was over before a signal came. */
export class WaitTimedOutError extends HoldfastError {
  override readonly name: string = 'WaitTimedOutError';

  constructor(wait: string, missed: { readonly event: string; readonly timeoutMs: number }) {
    super(
      'TASK_TIMEOUT',
      `wait ${wait}: no signal '${missed.event}' came within ${missed.timeoutMs} ms`,
      { ids: { task: wait } },
    );
  }
}

/**
 * The code of a workflow contradicts the checkpoints of a job. Nothing was run and nothing reverted,
 * so the job goes on where it stood once the right code is deployed.
 */
export class WorkflowChangedError extends HoldfastError {
  override readonly name: string = 'WorkflowChangedError';
  /** The step, sleep or wait that does not fit. */
  readonly step: string;

  constructor(
    at: { readonly workflow: string; readonly jobId: string; readonly step: string },
    problem: string,
    cause?: unknown,
  ) {
    super(
      'FAILED_PRECONDITION',
      `workflow ${at.workflow} has changed: ${problem}; job ${at.jobId} was left as it is: deploy ` +
        'code that goes with its checkpoints, which may add steps only after the recorded ones, and ' +
        'revive the job if it has ended',
      { ids: { jobId: at.jobId, task: at.step }, cause },
    );
    this.step = at.step;
  }
}
