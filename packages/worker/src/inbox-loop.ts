// Reads a member's inbox: when a watch wakes it, and every INBOX_RESYNC_MS, so that a cancel reaches
// its job within a second although wake-ups may be lost.
import type { Inbox, Member } from '@holdfast/board';
import type { Watch } from '@holdfast/coord';
import {
  backoffMs,
  type Clock,
  fromUnknown,
  jitter,
  type Logger,
  type Random,
  sleep,
} from '@holdfast/core';
import { INBOX_RESYNC_MS, STORE_BACKOFF } from './limits.ts';
import { isPassing, type Patience } from './patience.ts';
import { WakeUp } from './wake-up.ts';

export interface InboxLoopParts {
  readonly member: Member;
  readonly patience: Patience;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Acts on what was read. Must not throw. */
  readonly act: (inbox: Inbox) => void;
}

/** Reads until `signal` aborts; nothing else ends it. */
export async function runInboxLoop(
  parts: InboxLoopParts,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  const { member, clock, random } = parts;
  const { signal } = options;
  const changed = new WakeUp(clock);
  const watch = openWatch(parts, changed);
  watch?.armed.then(
    () => changed.wake(),
    () => changed.wake(), // A watch that can't be armed is backed by the resync.
  );
  let failures = 0;
  while (!signal.aborted) {
    try {
      await member.readInbox(parts.act);
      failures = 0;
      parts.patience.succeeded();
      await changed.wait(jitter(random, INBOX_RESYNC_MS), { signal });
    } catch (error) {
      failures += 1;
      await pauseAfter(parts, error, { signal, failures });
    }
  }
  await watch?.close();
}

function openWatch(parts: InboxLoopParts, changed: WakeUp): Watch | undefined {
  try {
    return parts.member.watchInbox(() => changed.wake());
  } catch (error) {
    // The store's client is stopped; the resync goes on, and the session is lost soon.
    parts.logger.debug({ error: fromUnknown(error).message }, 'no watch on the inbox');
    return undefined;
  }
}

async function pauseAfter(
  parts: InboxLoopParts,
  thrown: unknown,
  options: { readonly signal: AbortSignal; readonly failures: number },
): Promise<void> {
  const { clock, random, logger, patience } = parts;
  const error = fromUnknown(thrown);
  if (isPassing(error)) {
    await patience.pause(error, { ...options, what: 'read the inbox' });
    return;
  }
  if (options.failures === 1) {
    logger.error({ code: error.code, error }, 'the inbox cannot be read; trying again');
  }
  await sleep(clock, backoffMs(STORE_BACKOFF, options.failures, random), options);
}
