// Task jobs of a job that goes on with a later version of its flow than the one that posted them. That version
// has tasks of its own, and posts task jobs of its own; what the former ones have done is done nevertheless.
//
// Invariants:
//   O1. Nothing of the job is run or reverted before each task job of a former version that its records name has
//       ended. Those that have not are told to stop, and awaited, however long it takes.
//   O2. What came to its end in one of them counts, as what the version says that posted it: it is written under
//       this attempt's fence before the flow runs, for its migrations to read. An attempt that dies before has
//       changed nothing, since a task job that has ended stays as it is.
//   O3. What came to no end begins anew, under a number that was used for no other try.
import type { Claim, Member, TaskJobState } from '@holdfast/board';
import { type AtomRecord, type Clock, isFinal, jitter, type Random, sleep } from '@holdfast/core';
import { recordByEnd } from '@holdfast/flow';
import { goneOn } from './gone-on.ts';
import { FORMER_TASKS_LOOK_MS } from './limits.ts';
import type { Patience } from './patience.ts';

export interface FormerTaskJobsParts {
  readonly member: Member;
  readonly patience: Patience;
  readonly clock: Clock;
  readonly random: Random;
  /** Aborts when the attempt is to end, whether or not they have. */
  readonly stop: AbortSignal;
}

/** A record of a former version, and the task job that it names. */
interface Former {
  readonly record: AtomRecord;
  readonly name: { readonly id: TaskJobState['id']; readonly task: string };
}

/**
 * The records that the job goes on from: those of the claim, but where they name task jobs of a former version,
 * what became of these. Rejects like a checkpoint does, and with the reason of `stop`.
 */
export async function settleFormerTaskJobs(
  parts: FormerTaskJobsParts,
  claim: Claim,
): Promise<readonly AtomRecord[]> {
  const former = claim.atoms.flatMap((record) => formerOf(record, claim) ?? []);
  if (former.length === 0) return claim.atoms;
  const states = await untilEnded(parts, former);
  const after = new Map<string, AtomRecord>();
  const taken: AtomRecord[] = [];
  for (const [index, { record }] of former.entries()) {
    const there = states[index]?.atom;
    const end = there && recordByEnd(record, there);
    after.set(record.name, end ?? begunAnew(record, there));
    if (end) taken.push({ ...end, attempt: claim.status.attempt, worker: parts.member.id });
  }
  if (taken.length > 0) {
    await keepTrying(parts, 'take over what ran elsewhere', () =>
      parts.member.checkpoint(claim, taken),
    ); // O2
  }
  return claim.atoms.map((atom) => after.get(atom.name) ?? atom);
}

function formerOf(record: AtomRecord, { status }: Claim): Former | undefined {
  const { name, state, taskJob, flowVersion } = record;
  const isUnderWay = state === 'running' || state === 'reverting';
  if (!isUnderWay || taskJob === undefined || flowVersion === status.flowVersion) return undefined;
  return { record, name: { id: taskJob, task: name } };
}

/** O1. */
async function untilEnded(
  parts: FormerTaskJobsParts,
  former: readonly Former[],
): Promise<readonly TaskJobState[]> {
  const { member, clock, random, stop } = parts;
  const names = former.map(({ name }) => name);
  const reason = 'its job goes on with another version of its flow';
  for (let isTold = false; ; isTold = true) {
    const states = await keepTrying(parts, 'read how remote tasks stand', () =>
      member.readTaskJobs(names),
    );
    const open = states.filter(({ state }) => state !== 'missing' && !isFinal(state));
    if (open.length === 0) return states;
    if (isTold) {
      await sleep(clock, jitter(random, FORMER_TASKS_LOOK_MS), { signal: stop });
      continue;
    }
    await Promise.all(
      open.map(({ id }) =>
        keepTrying(parts, 'stop a remote task', () => member.cancelTaskJob(id, { reason })),
      ),
    );
  }
}

/** O3. The run counts the call that is to come. */
function begunAnew(record: AtomRecord, there: AtomRecord | undefined): AtomRecord {
  const { executions = record.executions } = there ?? {};
  return { ...goneOn(record, there), executions };
}

async function keepTrying<T>(
  { patience, stop }: FormerTaskJobsParts,
  what: string,
  call: () => Promise<T>,
): Promise<T> {
  return await patience.keepTrying(call, { signal: stop, what });
}
