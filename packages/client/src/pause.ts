import { MessageChannel } from 'node:worker_threads';
import { type Clock, sleep } from '@holdfast/core';

/**
 * Waits between two tries of something that a caller awaits. The clock's timers let the process
 * end; here somebody waits for an answer, so that it has to stay.
 */
export async function pause(
  clock: Clock,
  delayMs: number,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  // A port that is listened on keeps the event loop alive until it is closed.
  const { port1 } = new MessageChannel();
  port1.on('message', () => undefined);
  try {
    await sleep(clock, delayMs, options);
  } finally {
    port1.close();
  }
}
