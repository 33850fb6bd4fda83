// One call of user code: its context, its timeout, and how it ended. Whatever user code does, the call
// ends: with its result or its error, at its timeout, or a grace period after the run was stopped.
// What user code does after that is ignored.
import { AssertionError, type Clock, HoldfastError, type Logger, sleep } from '@holdfast/core';
import type { CallOutcome } from './call-outcome.ts';
import type { RunIdentity, RunObserver, TaskCallInfo } from './run-options.ts';
import type { CallContext } from './task-context.ts';

/** Characters of a progress message. */
const PROGRESS_MESSAGE_LENGTH = 1000;

export interface TaskCallParts {
  readonly identity: RunIdentity;
  readonly clock: Clock;
  readonly log: Logger;
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
  /** Looks up the arguments, calls the user's function, and checks what it returned. */
  readonly perform: (ctx: CallContext) => Promise<CallOutcome<unknown>>;
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
  const performing = observe(parts, request, ctx);
  // Once the call is over nobody waits for it any more, whatever becomes of it.
  performing.catch(() => undefined);
  try {
    return await Promise.race([
      performing,
      timeOut(parts.clock, request, { abort, over: over.signal }),
      parts.abandoned.then((): CallOutcome<unknown> => ({ kind: 'interrupted' })),
    ]);
  } finally {
    over.abort();
    parts.stop.removeEventListener('abort', stop);
  }
}

/** Lets the observer run the call. The outcome is what the call itself says, not the observer. */
async function observe(
  parts: TaskCallParts,
  request: TaskCallRequest,
  ctx: CallContext,
): Promise<CallOutcome<unknown>> {
  let outcome: CallOutcome<unknown> | undefined;
  const run = async (): Promise<unknown> => {
    outcome = await request.perform(ctx);
    if (outcome.kind === 'failure') throw outcome.thrown;
    return outcome.kind === 'success' ? outcome.value : undefined;
  };
  const { observer } = parts;
  try {
    await (observer.around ? observer.around(request.info, run) : run());
  } catch (error) {
    // What the task threw came through the observer. Anything else is the observer's own defect.
    if (outcome?.kind !== 'failure') throw error;
  }
  if (!outcome) throw new AssertionError(`the observer did not run task ${request.info.task}`);
  // Told to stop, and it stopped: that is no failure of the task.
  if (outcome.kind === 'failure' && parts.stop.aborted) return { kind: 'interrupted' };
  return outcome;
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
    log: parts.log,
    progress(fraction, message) {
      checkProgress(info.task, fraction, message);
      if (!ends.over.aborted) request.progress(fraction, message);
    },
    recordError(error) {
      if (!ends.over.aborted) request.recordError(error);
    },
  };
}

function checkProgress(task: string, fraction: unknown, message: unknown): void {
  if (typeof fraction !== 'number' || !(fraction >= 0 && fraction <= 1)) {
    throw new RangeError(
      `progress of task ${task}: ${String(fraction)} is not a number from 0 to 1`,
    );
  }
  if (message === undefined) return;
  if (typeof message !== 'string' || message.length > PROGRESS_MESSAGE_LENGTH) {
    throw new RangeError(
      `progress message of task ${task}: it is to be a text of at most ${PROGRESS_MESSAGE_LENGTH} characters`,
    );
  }
}
