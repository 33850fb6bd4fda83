import { type Failure, HoldfastError, type JobId } from '@holdfast/core';
import type { JobViewFields } from '@holdfast/wire';

/** The job ended FAILED or DEAD. */
export class JobFailedError extends HoldfastError {
  override readonly name: string = 'JobFailedError';
  readonly jobId: JobId;
  /** `dead` when too many attempts were lost to crashes. */
  readonly state: 'failed' | 'dead';
  /** What the flow threw: type, message, stack, task and causes. Absent when nothing was thrown. */
  readonly failure: Failure | undefined;

  constructor(view: JobViewFields, state: 'failed' | 'dead', failure: Failure | undefined) {
    const { id, flow } = view.status;
    super('JOB_FAILED', `job ${id} of flow ${flow} ${describe(view, state, failure)}`, {
      ids: { jobId: id, flow },
    });
    this.jobId = id;
    this.state = state;
    this.failure = failure;
  }
}

/** The job was cancelled. */
export class JobCancelledError extends HoldfastError {
  override readonly name: string = 'JobCancelledError';
  readonly jobId: JobId;
  /** What the canceller said; may be empty. */
  readonly reason: string;

  constructor(view: JobViewFields) {
    const { id, flow } = view.status;
    const reason = view.control?.reason ?? view.status.attempts.at(-1)?.reason ?? '';
    super(
      'CANCELLED',
      `job ${id} of flow ${flow} was cancelled${reason === '' ? '' : `: ${reason}`}`,
      {
        ids: { jobId: id, flow },
      },
    );
    this.jobId = id;
    this.reason = reason;
  }
}

function describe(
  view: JobViewFields,
  state: 'failed' | 'dead',
  failure: Failure | undefined,
): string {
  const thrown = failure ? `${failure.type}: ${failure.message}` : undefined;
  if (state === 'failed') {
    const where = failure?.task === undefined ? '' : ` in task ${failure.task}`;
    return thrown === undefined ? 'failed' : `failed${where}: ${thrown}`;
  }
  const lost = `was set aside as dead after ${view.status.lostAttempts} lost attempts`;
  return `${lost}${thrown === undefined ? '' : ` (${thrown})`}; inspect it, then revive it`;
}
