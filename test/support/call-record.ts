import type { CallContext } from '@holdfast/flow';

/** A call of a task as the world outside may know it: which one, under which fence and key, and where it runs. */
export interface CallRecord {
  readonly jobId: string;
  readonly task: string;
  readonly try: number;
  readonly attempt: number;
  readonly fence: string;
  readonly key: string;
  readonly pid: number;
}

/** The call of this process that has this context. */
export function callRecord(ctx: CallContext): CallRecord {
  return {
    jobId: ctx.jobId,
    task: ctx.task,
    try: ctx.try,
    attempt: ctx.attempt,
    fence: ctx.fence.toString(),
    key: ctx.idempotencyKey,
    pid: process.pid,
  };
}
