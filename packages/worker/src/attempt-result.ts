// What the result of a run makes of the job: the one write that ends the attempt.
import type { AttemptEnded, Claim, Member } from '@holdfast/board';
import { type AtomRecord, assert, type Clock } from '@holdfast/core';
import type { RunResult } from '@holdfast/flow';
import { REMOTE_WAIT_MS } from './limits.ts';
import type { AttemptRemoteTasks } from './remote-tasks.ts';
import type { RunReport } from './run-report.ts';
import type { StopOrder } from './stop-order.ts';

export interface AttemptResultParts {
  readonly member: Member;
  readonly claim: Claim;
  readonly clock: Clock;
  readonly report: RunReport;
  readonly remote: AttemptRemoteTasks;
  /** Why the run was stopped, where it was. */
  readonly order: StopOrder | undefined;
  /** The job is being cancelled, and what it did is reverted before. */
  readonly isReverting: boolean;
}

/** Ends the attempt on the board, as the member's calls do. Harmless to repeat. */
export async function writeResult(
  parts: AttemptResultParts,
  result: RunResult,
): Promise<AttemptEnded> {
  const { member, claim } = parts;
  const atoms = result.uncommitted;
  switch (result.kind) {
    case 'succeeded':
      return await member.succeed(claim, { atoms, output: result.output });
    case 'failed':
      return await writeFailure(parts, result);
    case 'waiting':
      return await writeWait(parts, result);
    case 'suspended':
      return await member.suspended(claim, { atoms });
    case 'stopped':
      return await writeStop(parts, atoms);
    default:
      return result satisfies never;
  }
}

/** A flow that was to be reverted ends failed, and its job cancelled. */
async function writeFailure(
  { member, claim, report, isReverting }: AttemptResultParts,
  { failure, uncommitted: atoms }: RunResult & { readonly kind: 'failed' },
): Promise<AttemptEnded> {
  if (!isReverting) return await member.fail(claim, { atoms, failure });
  report.noteRevertFailures(atoms);
  return await member.cancelled(claim, {
    atoms,
    reason: 'cancelled by request',
    failure: report.revertFailure,
  });
}

async function writeWait(
  { member, claim, clock, remote, isReverting: reverts }: AttemptResultParts,
  result: RunResult & { readonly kind: 'waiting' },
): Promise<AttemptEnded> {
  const { uncommitted: atoms, untilUnixMs, waitsForSignal, signalsSeen, reason } = result;
  if (result.remoteTasks !== remote.waiting) {
    // One has ended that the run has not taken note of (T3 of remote-tasks.ts); the next attempt does.
    return await member.release(claim, { atoms, reason: 'a remote task ended as it came to wait' });
  }
  if (waitsForSignal || result.remoteTasks > 0) {
    const seen = { signalsSeen, taskEndsSeen: remote.taskEndsSeen };
    const lookUnixMs = clock.nowUnixMs() + REMOTE_WAIT_MS;
    const until =
      result.remoteTasks === 0 ? untilUnixMs : Math.min(untilUnixMs ?? lookUnixMs, lookUnixMs);
    return await member.wait(claim, { atoms, untilUnixMs: until, ...seen, reason, reverts });
  }
  assert(untilUnixMs !== undefined, `job ${claim.spec.id} waits for something, or for a time`);
  return await member.retryLater(claim, { atoms, runAtUnixMs: untilUnixMs, reason, reverts });
}

async function writeStop(
  { member, claim, order }: AttemptResultParts,
  atoms: readonly AtomRecord[],
): Promise<AttemptEnded> {
  if (order?.kind === 'cancel')
    return await member.cancelled(claim, { atoms, reason: order.reason });
  if (order?.kind === 'deadline')
    return await member.fail(claim, { atoms, failure: order.failure });
  return await member.release(claim, { atoms, reason: order?.reason ?? 'its run was stopped' });
}
