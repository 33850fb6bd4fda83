// From a process's signals to a service's stop. For entry points.
//
//   first SIGTERM or SIGINT     stop in order: a worker drains
//   second one                  stop immediately; the same one within SIGNAL_ECHO_MS is the first's echo
//   under a supervisor          only ever in order: the supervisor decides when it has had enough, and
//                               a terminal sends SIGINT to both
//   supervisor gone             stop in order
import { type Logger, systemClock } from '@holdfast/core';
import { SignalEcho } from './signal-echo.ts';
import type { SupervisorLink } from './supervisor-link.ts';

/** A service that ends by itself or when it is stopped; Worker and Supervisor are. */
export interface StoppableService {
  start(): Promise<void>;
  stop(options?: { readonly immediately?: boolean | undefined }): Promise<void>;
  /** Resolves once it has ended for good. */
  readonly finished: Promise<unknown>;
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Starts a service and runs it until it has ended, keeping the process alive meanwhile. Rejects when
 * the service can't be started.
 */
export async function runUntilStopped(
  service: StoppableService,
  options: { readonly logger: Logger; readonly supervisor?: SupervisorLink | undefined },
): Promise<void> {
  const { logger, supervisor } = options;
  const echo = new SignalEcho(systemClock);
  let orders = 0;
  const stop = (why: string): void => {
    if (echo.isEcho(why)) return;
    orders += 1;
    const immediately = orders > 1 && !supervisor;
    logger.info({ why }, immediately ? 'stopping at once' : 'stopping');
    service.stop({ immediately }).catch((error: unknown) => {
      logger.error({ error }, 'could not stop in order');
    });
  };
  const onOrphaned = (): void => stop('the supervisor is gone');
  const release = keepAlive();
  for (const signal of SIGNALS) process.on(signal, stop);
  supervisor?.orphaned.addEventListener('abort', onOrphaned, { once: true });
  try {
    await service.start();
    await service.finished;
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
    supervisor?.orphaned.removeEventListener('abort', onOrphaned);
    supervisor?.close();
    release();
  }
}

/** Timers here don't keep a process alive, and an embedded store has no sockets that would. */
function keepAlive(): () => void {
  const { port1 } = new MessageChannel();
  port1.ref();
  return () => port1.close();
}
