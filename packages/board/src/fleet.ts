// The fleet: who may claim. A member is two records: `workers/<id>`, tied to the worker's session,
// which says that it may claim; and `members/<id>`, which stays until its jobs are settled, so that
// a member that vanished is found.
//
// Invariants:
//   M1. `workers/<id>` is created once, guarded by its own absence and that of `members/<id>`, and
//       written again only under a guard that it exists; an id is never used again. Once it is gone,
//       it is gone.
//   M2. Every claim guards on `workers/<id>`. So when it is absent, the member's claims are all there
//       will ever be.
//   M3. `members/<id>` is removed only while `workers/<id>` is absent and after a listing that was
//       made then showed no claims.

import type { Coord, Entry, Session, Write } from '@holdfast/coord';
import {
  FailedPreconditionError,
  NotFoundError,
  parseWorkerId,
  type WorkerId,
} from '@holdfast/core';
import { decodeWorker, encodeWorker } from '@holdfast/wire';
import { listAll } from './job-reader.ts';
import {
  claimsPrefix,
  inboxDrainKey,
  inboxPrefix,
  LEADER_KEY,
  lastPart,
  MEMBERS_PREFIX,
  memberKey,
  WORKERS_PREFIX,
  workerKey,
} from './keys.ts';
import { type PageOf, type PageQuery, readPage } from './page.ts';
import type { WorkerInfo, WorkerView } from './worker-view.ts';

const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder();

/** Writes both records of a new member. Throws FailedPreconditionError when the id was used before. */
export async function joinFleet(coord: Coord, info: WorkerInfo, session: Session): Promise<void> {
  const value = encodeWorker(info);
  // Both in one commit: a session without a member record would never be missed.
  const result = await coord.commit({
    when: [
      { kind: 'absent', key: memberKey(info.id) },
      { kind: 'absent', key: workerKey(info.id) },
    ],
    write: [
      { kind: 'put', key: memberKey(info.id), value },
      { kind: 'put', key: workerKey(info.id), value, session },
    ],
  }); // M1
  if (!result.committed) {
    throw new FailedPreconditionError(
      `worker ${info.id} has joined before; each incarnation needs an id of its own`,
      { ids: { workerId: info.id } },
    );
  }
}

/** The ids of members whose session lives. */
export async function listLiveWorkers(coord: Coord): Promise<readonly WorkerInfo[]> {
  return (await listAll(coord, WORKERS_PREFIX)).map((entry) => decodeWorker(entry.value));
}

/** Members whose session has ended and whose jobs may have to be taken over. */
export async function listDeadMembers(coord: Coord): Promise<readonly WorkerId[]> {
  const members = (await listAll(coord, MEMBERS_PREFIX)).map((entry) => lastPart(entry.key));
  if (members.length === 0) return [];
  const live = new Set((await listAll(coord, WORKERS_PREFIX)).map((entry) => lastPart(entry.key)));
  return members.filter((id) => !live.has(id)).map((id) => parseWorkerId(id, 'stored worker id'));
}

/** Removes what a settled, dead member leaves behind (M3). True when nothing is left of it. */
export async function removeMember(coord: Coord, id: WorkerId): Promise<boolean> {
  const [claims, inbox] = await Promise.all([
    coord.list({ prefix: claimsPrefix(id), limit: 1 }),
    listAll(coord, inboxPrefix(id)),
  ]);
  if (claims.entries.length > 0) return false;
  const perCommit = coord.limits.maxOpsPerCommit - 3;
  const removals: Write[] = inbox
    .slice(0, perCommit)
    .map((entry) => ({ kind: 'remove', key: entry.key }));
  const isLast = inbox.length <= perCommit;
  if (isLast) removals.push({ kind: 'remove', key: memberKey(id) });
  const result = await coord.commit({
    when: [{ kind: 'absent', key: workerKey(id) }],
    write: removals,
  });
  return result.committed && isLast;
}

/**
 * Ends a member's right to claim, at once and for ever. Safe even when the member is alive and well:
 * its jobs are taken over, and its own writes are refused from then on. True when it was there.
 */
export async function expelWorker(coord: Coord, id: WorkerId): Promise<boolean> {
  const write: Write[] = [{ kind: 'remove', key: workerKey(id) }];
  const leader = (await coord.get([LEADER_KEY])).get(LEADER_KEY);
  if (leader && decoder.decode(leader.value) === id) {
    // Unguarded: the place may have gone to another meanwhile, whom it costs no more than the place.
    await coord.commit({ when: [], write: [{ kind: 'remove', key: LEADER_KEY }] });
  }
  const result = await coord.commit({ when: [{ kind: 'exists', key: workerKey(id) }], write });
  return result.committed;
}

/** Asks a live member to drain. Throws NotFoundError when there is no such live member. */
export async function askToDrain(coord: Coord, id: WorkerId): Promise<void> {
  const result = await coord.commit({
    when: [{ kind: 'exists', key: workerKey(id) }],
    write: [{ kind: 'put', key: inboxDrainKey(id), value: NOTHING }],
  });
  if (!result.committed) {
    throw new NotFoundError(`there is no live worker ${id}; see holdfast workers`, {
      ids: { workerId: id },
    });
  }
}

/** One page of members, dead ones that still hold something included, by id. */
export async function pageOfWorkers(coord: Coord, query: PageQuery): Promise<PageOf<WorkerView>> {
  const page = await readPage(coord, MEMBERS_PREFIX, query);
  const items = await Promise.all(page.items.map((entry) => viewWorker(coord, entry)));
  return { ...page, items };
}

async function viewWorker(coord: Coord, member: Entry): Promise<WorkerView> {
  const id = lastPart(member.key);
  const [live, claims] = await Promise.all([
    coord.get([workerKey(id)]),
    listAll(coord, claimsPrefix(id)),
  ]);
  const record = live.get(workerKey(id));
  return {
    info: decodeWorker((record ?? member).value),
    claims: claims.length,
    isLive: record !== undefined,
  };
}
