import { systemClock } from '@holdfast/core';
import { SignalEcho } from '@holdfast/worker';

/** The exit status of a command that was interrupted: 128 + SIGINT, as shells have it. */
export const INTERRUPTED_STATUS = 130;

/** What a process does when it is asked to stop. */
interface StopHandlers {
  /** The first SIGINT or SIGTERM: stop in order. */
  readonly first: () => void;
  /** Every one after that, unless it is the echo of the one before: leave at once. */
  readonly again: () => void;
}

/** Handles SIGINT and SIGTERM until the function it returns is called. */
function handleStopSignals(handlers: StopHandlers): () => void {
  const echo = new SignalEcho(systemClock);
  let isAsked = false;
  const asked = (signal: NodeJS.Signals): void => {
    if (echo.isEcho(signal)) return;
    if (isAsked) handlers.again();
    else handlers.first();
    isAsked = true;
  };
  process.on('SIGINT', asked);
  process.on('SIGTERM', asked);
  return () => {
    process.off('SIGINT', asked);
    process.off('SIGTERM', asked);
  };
}

/** Resolves at the first SIGINT or SIGTERM. From then on another one ends the process at once. */
export function untilAskedToStop(): Promise<void> {
  return new Promise((resolve) => {
    handleStopSignals({ first: resolve, again: () => process.exit(INTERRUPTED_STATUS) });
  });
}

/** Calls `work` with a signal that the first SIGINT or SIGTERM aborts. */
export async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const release = handleStopSignals({
    first: () => controller.abort(),
    // Not waiting for an answer that doesn't come is what the second one is for.
    again: () => process.exit(INTERRUPTED_STATUS),
  });
  try {
    return await work(controller.signal);
  } finally {
    release();
  }
}

/** What `work` resolves to; undefined as soon as `signal` aborts, whatever becomes of the work then. */
export async function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  const over = Promise.withResolvers<undefined>();
  const stop = (): void => over.resolve(undefined);
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    // The race takes the work's rejection too; one after the abort concerns nobody any more.
    return await Promise.race([work, over.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
