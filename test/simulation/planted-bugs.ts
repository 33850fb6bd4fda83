// Bugs that the simulation has to find: each changes commits on their way to the store, exactly as a
// board without the line of code concerned would have sent them. The code itself is left alone.
import type { Commit, Guard, Write } from '@holdfast/coord';

/** Changes a commit that a process is about to send; `worker` is the newest id that it has joined under. */
export type Tamper = (commit: Commit, worker: string | undefined) => Commit;

export const PLANTED_BUGS: Readonly<Record<string, Tamper>> = {
  /** The fence guard is dropped: an attempt writes whoever holds the job by now. */
  'fence-guard': (commit) => (isOfAttempt(commit) ? withoutFence(commit) : commit),

  /** An index write is forgotten: a takeover makes a job ready and doesn't list it. */
  'index-write': (commit) =>
    isTakeover(commit)
      ? { ...commit, write: commit.write.filter((write) => !isReadyPut(write)) }
      : commit,

  /** Keep-alive is taken for ownership: whoever has a session writes about whatever it once claimed. */
  'keep-alive': (commit, worker) => {
    if (!isOfAttempt(commit) || worker === undefined) return commit;
    const alive: Guard = { kind: 'exists', key: `workers/${worker}` };
    return { ...commit, when: commit.when.map((guard) => (isFence(guard) ? alive : guard)) };
  },

  /** An attempt ends without asking whether it was asked or told something meanwhile. */
  'control-guard': (commit) =>
    isOfAttempt(commit)
      ? { ...commit, when: commit.when.filter((guard) => !guard.key.startsWith('control/')) }
      : commit,

  /** A worker claims without asking whether its session is still there. */
  'claim-guard': (commit) =>
    commit.write.some(isClaimPut)
      ? { ...commit, when: commit.when.filter((guard) => guard.kind !== 'exists') }
      : commit,

  /** The end of a task job is not noted for its parent. */
  'end-note': (commit) => ({
    ...commit,
    write: commit.write.filter((write) => !(write.kind === 'put' && isNote(write))),
  }),

  /** The notes of ended task jobs are counted, and a parent that waits for them sleeps on. */
  'end-wake': (commit) =>
    tellsOfEnds(commit)
      ? { ...commit, write: commit.write.filter((write) => !isOfStatus(write)) }
      : commit,

  /** A parent that runs is not told: the notes go, and its worker learns nothing. */
  'end-news': (commit) =>
    tellsOfEnds(commit) && commit.write.some(({ key }) => key.startsWith('inbox/'))
      ? { ...commit, write: commit.write.filter(isNote) }
      : commit,
};

export const NOTHING_PLANTED: Tamper = (commit) => commit;

/** The bug of this name; without a name, none. Throws when there is no such bug. */
export function tamperOf(name: string | undefined): Tamper {
  if (name === undefined) return NOTHING_PLANTED;
  const tamper = PLANTED_BUGS[name];
  if (!tamper) throw new Error(`no planted bug is called ${name}`);
  return tamper;
}

/** A checkpoint, or the end of an attempt by its own worker. */
function isOfAttempt(commit: Commit): boolean {
  if (!commit.when.some(isFence) || isTakeover(commit)) return false;
  const endsClaim = commit.write.some(
    (write) => write.kind === 'remove' && write.key.startsWith('claims/'),
  );
  const writesStatus = commit.write.some((write) => write.key.startsWith('status/'));
  const writesAtoms = commit.write.some((write) => write.key.startsWith('atoms/'));
  return endsClaim || (writesAtoms && !writesStatus);
}

function isTakeover(commit: Commit): boolean {
  return (
    commit.when.some(isFence) &&
    commit.when.some((guard) => guard.kind === 'absent' && guard.key.startsWith('workers/'))
  );
}

function withoutFence(commit: Commit): Commit {
  return { ...commit, when: commit.when.filter((guard) => !isFence(guard)) };
}

function isFence(guard: Guard): boolean {
  return guard.kind === 'unchanged' && guard.key.startsWith('status/');
}

function isReadyPut(write: Write): boolean {
  return write.kind === 'put' && write.key.startsWith('ready/');
}

function isNote(write: Write): boolean {
  return write.key.startsWith('taskends/');
}

function tellsOfEnds(commit: Commit): boolean {
  return (
    commit.write.some((write) => write.kind === 'remove' && isNote(write)) &&
    commit.write.some((write) => write.key.startsWith('control/'))
  );
}

/** The status, and its entries in the index. */
function isOfStatus({ key }: Write): boolean {
  return ['status/', 'ready/', 'due/', 'deadline/'].some((prefix) => key.startsWith(prefix));
}

function isClaimPut(write: Write): boolean {
  return write.kind === 'put' && write.key.startsWith('claims/');
}
