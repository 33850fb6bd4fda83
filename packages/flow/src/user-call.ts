// One call of user code: its context, its timeout, and how it ended. Whatever user code does, the call
// ends: with its result or its error, at its timeout, or a grace period after the run was stopped.
// What user code does after that is ignored.
import {
  AssertionError,
  type Clock,
  HoldfastError,
  type Logger,
  sleep,
  type Timer,
} from '@holdfast/core';
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
  /** How long the call may be silent, in milliseconds; undefined = for ever. */
  readonly heartbeatMs?: number | undefined;
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
  const silence = new Silence(parts.clock, request);
  const beat = (): void => silence.beat();
  const ctx = createContext(parts, request, { signal: abort.signal, over: over.signal, beat });
  const performing = observe(parts, request, ctx);
  // Once the call is over nobody waits for it any more, whatever becomes of it.
  performing.catch(() => undefined);
  try {
    return await Promise.race([
      performing,
      timeOut(parts.clock, request, { abort, over: over.signal }),
      silence.tooLong.then((thrown): CallOutcome<unknown> => {
        abort.abort(thrown);
        return { kind: 'failure', thrown, isFinal: false };
      }),
      parts.abandoned.then((): CallOutcome<unknown> => ({ kind: 'interrupted' })),
    ]);
  } finally {
    over.abort();
    silence.end();
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

/** How long a call has been silent. Checked by one timer that looks at the last sign of life. */
class Silence {
  readonly #clock: Clock;
  readonly #request: TaskCallRequest;
  readonly #tooLong = Promise.withResolvers<HoldfastError>();
  #lastMs: number;
  #timer: Timer | undefined;

  constructor(clock: Clock, request: TaskCallRequest) {
    this.#clock = clock;
    this.#request = request;
    this.#lastMs = clock.monotonicMs();
    this.#watch();
  }

  /** Resolves once it lasts too long; never when there is no limit. */
  get tooLong(): Promise<HoldfastError> {
    return this.#tooLong.promise;
  }

  beat(): void {
    this.#lastMs = this.#clock.monotonicMs();
  }

  end(): void {
    this.#timer?.cancel();
  }

  #watch(): void {
    const { heartbeatMs, info } = this.#request;
    if (heartbeatMs === undefined) return;
    const leftMs = this.#lastMs + heartbeatMs - this.#clock.monotonicMs();
    if (leftMs > 0) {
      this.#timer = this.#clock.startTimer(Math.max(1, leftMs), () => this.#watch());
      return;
    }
    const message = `task ${info.task} (${info.kind}) gave no sign of life for ${heartbeatMs} ms`;
    this.#tooLong.resolve(new HoldfastError('TASK_TIMEOUT', message, { ids: { task: info.task } }));
  }
}

function createContext(
  parts: TaskCallParts,
  request: TaskCallRequest,
  ends: { readonly signal: AbortSignal; readonly over: AbortSignal; readonly beat: () => void },
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
      ends.beat();
      if (!ends.over.aborted) request.progress(fraction, message);
    },
    heartbeat() {
      ends.beat();
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
