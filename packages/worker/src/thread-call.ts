// One call of a function in a thread, as the pool's process sees it: from the queue to the outcome.
//
//   C1. A call ends with the outcome that its function told, or with the end of its thread. So when it
//       has ended, nothing of it computes any more; only what has yet to start is dropped at once.
//   C2. An abort reaches the function as a signal first, and as the end of its thread after a grace.
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { type Clock, TerminalError, type Timer } from '@holdfast/core';
import type { TaskContext } from '@holdfast/flow';
import { packError, unpackError } from './carried-error.ts';
import { THREAD_ABORT_GRACE_MS } from './thread-context.ts';
import type {
  AbortMessage,
  CallFacts,
  ThreadMessage,
  ThreadOutcome,
  ThreadTarget,
} from './thread-messages.ts';
import type { ThreadSet } from './thread-set.ts';

/**
 * A thread ended while it ran a task: by `process.exit()`, for want of memory, or by an error that
 * nothing caught. Only that try has failed; the next one gets another thread.
 */
export class ThreadDiedError extends Error {
  override readonly name: string = 'ThreadDiedError';
}

export class ThreadCall {
  readonly #threads: ThreadSet;
  readonly #ctx: TaskContext;
  readonly #clock: Clock;
  readonly #kill = new AbortController();
  readonly #outcome = Promise.withResolvers<ThreadOutcome>();
  #threadId: number | undefined;
  #grace: Timer | undefined;

  constructor(threads: ThreadSet, ctx: TaskContext, clock: Clock) {
    this.#threads = threads;
    this.#ctx = ctx;
    this.#clock = clock;
  }

  /** What the function returns; throws what it throws, or why it can't have ended by itself. */
  async run(target: ThreadTarget): Promise<unknown> {
    const { signal } = this.#ctx;
    signal.throwIfAborted();
    const { port1, port2 } = new MessageChannel();
    // The other end is our own code, of the same version.
    port1.on('message', (message: ThreadMessage) => this.#read(message));
    // What can't be read may have been the outcome; nothing else would end the call then.
    port1.on('messageerror', (error) => {
      this.#kill.abort(error);
      this.#outcome.resolve({ kind: 'failure', thrown: packError(error) });
    });
    const abort = (): void => this.#abort(port1);
    signal.addEventListener('abort', abort, { once: true });
    try {
      const request = { ...target, facts: factsOf(this.#ctx), port: port2 };
      await this.#threads.run(request, { signal: this.#kill.signal });
      return unpackOutcome(await this.#outcome.promise);
    } catch (error) {
      throw await this.#explain(error);
    } finally {
      signal.removeEventListener('abort', abort);
      this.#grace?.cancel();
      port1.close();
    }
  }

  #read(message: ThreadMessage): void {
    switch (message.kind) {
      case 'started':
        this.#threadId = message.threadId;
        return;
      case 'progress':
        this.#tell(() => this.#ctx.progress(message.fraction, message.message));
        return;
      case 'heartbeat':
        this.#tell(() => this.#ctx.heartbeat());
        return;
      case 'error':
        this.#tell(() => this.#ctx.recordError(unpackError(message.error)));
        return;
      case 'success':
      case 'failure':
        this.#outcome.resolve(message);
        return;
      default:
        message satisfies never;
    }
  }

  /** The context refuses nonsense by throwing; the function can't catch that any more, so it ends. */
  #tell(report: () => void): void {
    try {
      report();
    } catch (error) {
      this.#kill.abort(error);
    }
  }

  #abort(port: MessagePort): void {
    const { reason } = this.#ctx.signal as { readonly reason: unknown }; // Typed any by the platform.
    if (this.#threadId === undefined) {
      this.#kill.abort(reason);
      return;
    }
    port.postMessage({ kind: 'abort', reason: packError(reason) } satisfies AbortMessage);
    this.#grace = this.#clock.startTimer(THREAD_ABORT_GRACE_MS, () => this.#kill.abort(reason)); // C2
  }

  /** What to throw when the call failed with this. */
  async #explain(error: unknown): Promise<unknown> {
    if (error instanceof FunctionFailure) return error.cause;
    if (this.#threadId !== undefined) await this.#threads.ended(this.#threadId); // C1
    if (this.#kill.signal.aborted) return this.#kill.signal.reason;
    if (this.#threads.closeReason) return this.#threads.closeReason;
    const { task } = this.#ctx;
    if (error instanceof DOMException && error.name === 'DataCloneError') {
      const message = `the arguments of task ${task} have to be data that can be copied to a thread`;
      return new TerminalError(message, { cause: error });
    }
    const what = error instanceof Error ? error.message : String(error);
    return new ThreadDiedError(`the thread of task ${task} died: ${what}`, { cause: error });
  }
}

/** Tells what the user's function threw from everything else. */
class FunctionFailure extends Error {
  override readonly name: string = 'FunctionFailure';
}

function unpackOutcome(outcome: ThreadOutcome): unknown {
  if (outcome.kind === 'success') return outcome.value;
  throw new FunctionFailure('the function threw', { cause: unpackError(outcome.thrown) });
}

function factsOf(ctx: TaskContext): CallFacts {
  const { idempotencyKey, fence, attempt, jobId, task } = ctx;
  return { idempotencyKey, fence, attempt, try: ctx.try, jobId, task };
}
