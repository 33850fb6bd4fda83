// One call of user code: its context, its timeout, and how it ended. Whatever user code does, the call
// ends: with its result or its error, at its timeout, or a grace period after the run was stopped.
// What user code does after that is ignored.
import { type Clock, HoldfastError, type Logger, sleep } from '@holdfast/core';
import type { CallOutcome } from './call-outcome.ts';
import type { RunIdentity, RunObserver, TaskCallInfo } from './run-options.ts';
import type { CallContext } from './task-context.ts';

export interface TaskCallParts {
  readonly identity: RunIdentity;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: RunObserver;
  /** Aborts when the run is to stop. */
  readonly stop: AbortSignal;
  /** Resolves when a stopped run waits no longer for user code. */
  readonly abandoned: Promise<void>;
}

export interface TaskCallRequest {
  readonly info: TaskCallInfo;
  readonly timeoutMs: number | undefined;
  readonly progress: (fraction: number, message: string | undefined) => void;
  readonly recordError: (error: unknown) => void;
  /** Calls the user's function. */
  readonly run: (ctx: CallContext) => unknown;
}

/** Runs one call. Rejects only when the observer, or Holdfast itself, is defective. */
export async function callTask(
  parts: TaskCallParts,
  request: TaskCallRequest,
): Promise<CallOutcome<unknown>> {
  const abort = new AbortController();
  const over = new AbortController();
  const stop = (): void => abort.abort(parts.stop.reason);
  if (parts.stop.aborted) stop();
  else parts.stop.addEventListener('abort', stop, { once: true });
  const ctx = createContext(parts, request, { signal: abort.signal, over: over.signal });
  try {
    return await Promise.race([
      runUserCode(parts, request, ctx),
      timeOut(parts.clock, request, { abort, over: over.signal }),
      parts.abandoned.then((): CallOutcome<unknown> => ({ kind: 'interrupted' })),
    ]);
  } finally {
    over.abort();
    parts.stop.removeEventListener('abort', stop);
  }
}

async function runUserCode(
  parts: TaskCallParts,
  request: TaskCallRequest,
  ctx: CallContext,
): Promise<CallOutcome<unknown>> {
  const run = async (): Promise<unknown> => await request.run(ctx);
  try {
    const { observer } = parts;
    const value = observer.around ? await observer.around(request.info, run) : await run();
    return { kind: 'success', value };
  } catch (thrown) {
    // Told to stop, and it stopped: that is no failure of the task.
    if (parts.stop.aborted) return { kind: 'interrupted' };
    return { kind: 'failure', thrown, isFinal: false };
  }
}

/** Fails the try when its time is over; never resolves otherwise. */
async function timeOut(
  clock: Clock,
  request: TaskCallRequest,
  ends: { readonly abort: AbortController; readonly over: AbortSignal },
): Promise<CallOutcome<unknown>> {
  const { timeoutMs, info } = request;
  if (timeoutMs === undefined) return await new Promise(() => undefined);
  await sleep(clock, timeoutMs, { signal: ends.over });
  if (ends.over.aborted) return await new Promise(() => undefined);
  const thrown = new HoldfastError(
    'TASK_TIMEOUT',
    `task ${info.task} (${info.kind}) took longer than its timeout of ${timeoutMs} ms`,
    { ids: { task: info.task } },
  );
  ends.abort.abort(thrown);
  return { kind: 'failure', thrown, isFinal: false };
}

function createContext(
  parts: TaskCallParts,
  request: TaskCallRequest,
  ends: { readonly signal: AbortSignal; readonly over: AbortSignal },
): CallContext {
  const { identity } = parts;
  const { info } = request;
  return {
    signal: ends.signal,
    idempotencyKey: info.idempotencyKey,
    fence: identity.fence,
    attempt: identity.attempt,
    try: info.try,
    jobId: identity.jobId,
    task: info.task,
    log: parts.logger.child({ jobId: identity.jobId, task: info.task, try: info.try }),
    progress(fraction, message) {
      if (typeof fraction !== 'number' || !(fraction >= 0 && fraction <= 1)) {
        throw new RangeError(
          `progress of task ${info.task}: ${fraction} is not a number from 0 to 1`,
        );
      }
      if (!ends.over.aborted) request.progress(fraction, message);
    },
    recordError(error) {
      if (!ends.over.aborted) request.recordError(error);
    },
  };
}
