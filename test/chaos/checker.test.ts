import { parseWorkerId } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { checkHistory, checkLater, VIOLATION_KINDS, type ViolationKind } from './checker.ts';
import type { FaultRecord, FleetSample, History, LedgerEntry } from './history.ts';
import { measureTakeovers } from './takeovers.ts';

const WORKER = parseWorkerId('w0-00000000000000000000000000', 'worker');

function entry(part: Partial<LedgerEntry>): LedgerEntry {
  const base = { what: 'start', verdict: 'accepted', jobId: 'a', task: 'only', try: 1 } as const;
  return { ...base, attempt: 1, fence: 10n, key: 'a/only/1', pid: 100, atMs: 1000, ...part };
}

const crash: FaultRecord = {
  kind: 'worker child killed',
  target: 'w0',
  lane: 'workers',
  atMs: 2000,
  endMs: 2000,
  takeover: { pid: 100, worker: 'w0', class: 'crashed', boundMs: 1000 },
};

function samples(freePlaces: Readonly<Record<string, number>>): readonly FleetSample[] {
  return Array.from({ length: 40 }, (_, n) => ({ atMs: n * 200, tookMs: 5, freePlaces }));
}

/** A history in which a job survives the crash of its worker, another is cancelled, and nothing is wrong. */
const sound: History = {
  posts: [
    { key: 'k1', flow: 'chaos-one', outcome: 'acknowledged', jobId: 'a' },
    { key: 'k1', flow: 'chaos-one', outcome: 'acknowledged', jobId: 'a' },
    { key: 'k2', flow: 'chaos-steps', outcome: 'acknowledged', jobId: 'b' },
    { key: 'k3', flow: 'chaos-one', outcome: 'unknown' },
  ],
  controls: [{ what: 'cancel', jobId: 'b', outcome: 'acknowledged', sentMs: 900, endedMs: 950 }],
  ledger: [
    entry({}),
    entry({ attempt: 2, fence: 20n, pid: 200, atMs: 2500 }),
    entry({ what: 'effect', verdict: 'refused', atMs: 2600 }),
    entry({ what: 'effect', attempt: 2, fence: 20n, pid: 200, atMs: 2700 }),
  ],
  commits: [{ jobId: 'a', task: 'only', try: 1, attempt: 2 }],
  ends: [
    { jobId: 'a', attempt: 2, outcome: 'succeeded' },
    { jobId: 'b', attempt: 1, outcome: 'cancelled' },
  ],
  jobs: [
    {
      jobId: 'a',
      state: 'succeeded',
      attempts: [
        { number: 1, worker: WORKER, claimedAtUnixMs: 0, end: 'lost' },
        { number: 2, worker: WORKER, claimedAtUnixMs: 0, end: 'succeeded' },
      ],
      tasks: { only: 'success' },
      taskJobs: [],
    },
    { jobId: 'b', state: 'cancelled', attempts: [], tasks: {}, taskJobs: [] },
  ],
  faults: [crash],
  samples: samples({ w1: 4 }),
  stalls: [],
  leftBehind: [],
  disagreements: [],
  ended: [],
  undrained: [],
};

const [jobA, jobB] = sound.jobs;
if (!jobA || !jobB) throw new Error('the sound history has two jobs');

/** Found by looking twice, not in one history. */
type LaterKind = 'final state changed';

const planted: Readonly<Record<Exclude<ViolationKind, LaterKind>, History>> = {
  'acknowledged job lost': { ...sound, jobs: [jobA] },
  'job not finished': { ...sound, jobs: [jobA, { ...jobB, state: 'running' }] },
  'two jobs for one key': {
    ...sound,
    posts: [...sound.posts, { key: 'k1', flow: 'chaos-one', outcome: 'acknowledged', jobId: 'b' }],
  },
  'job ended twice': {
    ...sound,
    ends: [...sound.ends, { jobId: 'a', attempt: 1, outcome: 'failed' }],
  },
  'wrong outcome': { ...sound, jobs: [jobA, { ...jobB, state: 'failed' }] },
  'success without effect': { ...sound, ledger: sound.ledger.slice(0, 3) },
  'task committed twice': {
    ...sound,
    commits: [...sound.commits, { jobId: 'a', task: 'only', try: 1, attempt: 2 }],
  },
  'committed task executed again': {
    ...sound,
    ledger: [...sound.ledger, entry({ attempt: 3, fence: 30n, atMs: 3000 })],
  },
  'zombie write accepted': {
    ...sound,
    ledger: sound.ledger.map((one) => ({ ...one, verdict: 'accepted' })),
  },
  'fence out of order': {
    ...sound,
    ledger: sound.ledger.map((one) => (one.attempt === 2 ? { ...one, fence: 5n } : one)),
  },
  'unstable idempotency key': {
    ...sound,
    ledger: sound.ledger.map((one) => (one.attempt === 2 ? { ...one, key: 'other' } : one)),
  },
  'slow takeover': {
    ...sound,
    ledger: sound.ledger.map((one) => (one.atMs > 2000 ? { ...one, atMs: one.atMs + 600 } : one)),
  },
  'process ended': { ...sound, ended: ['w1'] },
  'left behind': { ...sound, leftBehind: ['claims/w0-x/a'] },
  'records disagree': { ...sound, disagreements: ['missing-index-entry at done/…'] },
};

function kindsIn(history: History): readonly ViolationKind[] {
  return [...new Set(checkHistory(history).map(({ kind }) => kind))];
}

describe('the checker of a campaign', () => {
  it('finds nothing in a history in which nothing is wrong', () => {
    expect(checkHistory(sound)).toEqual([]);
  });

  it.each(VIOLATION_KINDS)('finds a planted violation: %s', (kind) => {
    const found =
      kind === 'final state changed'
        ? checkLater([jobA, jobB], [{ ...jobA, state: 'failed' }, jobB])
        : checkHistory(planted[kind]);
    expect(found.map((one) => one.kind)).toContain(kind);
  });

  it('takes a job that is gone later, and only that, as changed', () => {
    expect(checkLater([jobA, jobB], [jobA])).toEqual([
      { kind: 'final state changed', what: 'b was cancelled and is gone' },
    ]);
    expect(checkLater([jobA, jobB], [jobB, jobA])).toEqual([]);
  });

  it('takes a job that a flow or an operator does not account for as wrong', () => {
    const dead: History = { ...sound, jobs: [{ ...jobA, state: 'dead' }, jobB] };
    expect(kindsIn(dead)).toContain('wrong outcome');
    const uncancelled: History = { ...sound, controls: [] };
    expect(kindsIn(uncancelled)).toEqual(['wrong outcome']);
  });

  it('lets a cancel be undone by a revive that came after it, and by no other', () => {
    const revived = (sentMs: number): History => ({
      ...sound,
      controls: [
        ...sound.controls,
        { what: 'revive', jobId: 'b', outcome: 'unknown', sentMs, endedMs: sentMs + 10 },
      ],
      posts: sound.posts.map((post) =>
        post.jobId === 'b' ? { ...post, flow: 'chaos-saga' } : post,
      ),
      jobs: [jobA, { ...jobB, state: 'failed' }],
    });
    expect(kindsIn(revived(1000))).toEqual([]);
    expect(kindsIn(revived(800))).toEqual(['wrong outcome']);
  });
});

/** A line of the job `r`, whose tasks but `prepare` run where the flow does, all in one attempt. */
function inRounds(task: string, part: Partial<LedgerEntry>): LedgerEntry {
  const { what = 'start', try: number = 1 } = part;
  const key = `r/${task}/${what === 'revert' ? 'revert/' : ''}${number}`;
  return entry({ jobId: 'r', task, key, fence: 50n, ...part });
}

/** A job that goes through two rounds; its first task is run, and reverted, by jobs of its own. */
const rounds: History = {
  ...sound,
  posts: [{ key: 'k', flow: 'chaos-rounds', outcome: 'acknowledged', jobId: 'r' }],
  controls: [],
  ledger: [
    inRounds('prepare', { fence: 4n }),
    // Its worker died, and another took the task job over; its first one comes too late.
    inRounds('prepare', { attempt: 2, fence: 8n }),
    inRounds('prepare', { what: 'effect', attempt: 2, fence: 8n }),
    inRounds('prepare', { what: 'effect', fence: 4n, verdict: 'refused' }),
    inRounds('stage', {}),
    inRounds('stage', { what: 'effect' }),
    inRounds('deliver', {}),
    inRounds('deliver', { what: 'effect' }),
    inRounds('stage', { what: 'revert' }),
    inRounds('prepare', { what: 'revert', fence: 4n }),
    inRounds('prepare', { try: 2, fence: 4n }),
    inRounds('prepare', { what: 'effect', try: 2, fence: 4n }),
    inRounds('stage', { try: 2 }),
    inRounds('stage', { what: 'effect', try: 2 }),
    inRounds('deliver', { try: 2 }),
    inRounds('deliver', { what: 'effect', try: 2 }),
  ],
  commits: [
    { jobId: 'r', task: 'prepare', try: 1, attempt: 2 },
    { jobId: 'r', task: 'stage', try: 1, attempt: 1 },
    { jobId: 'r', task: 'prepare', try: 2, attempt: 1 },
    { jobId: 'r', task: 'stage', try: 2, attempt: 1 },
    { jobId: 'r', task: 'deliver', try: 2, attempt: 1 },
  ],
  ends: [],
  jobs: [
    {
      jobId: 'r',
      state: 'succeeded',
      attempts: [],
      tasks: { prepare: 'success', stage: 'success', deliver: 'success' },
      taskJobs: [{ jobId: 't', state: 'succeeded', attempts: [] }],
    },
  ],
  faults: [],
};

const [jobR] = rounds.jobs;
if (!jobR) throw new Error('the rounds are those of a job');

const withoutReverts = (task: string): readonly LedgerEntry[] =>
  rounds.ledger.filter((one) => !(one.task === task && one.what === 'revert'));

describe('the checker of rounds and remote tasks', () => {
  it('finds nothing where a task is done again in another round, here or as a job of its own', () => {
    expect(checkHistory(rounds)).toEqual([]);
  });

  it.each(['stage', 'prepare'])('finds %s done again although nothing was reverted', (task) => {
    const found = kindsIn({ ...rounds, ledger: withoutReverts(task) });
    expect(found).toContain('task committed twice');
    expect(found).toContain('committed task executed again');
  });

  it('finds another try that was started before the revert', () => {
    const early = rounds.ledger.toSpliced(6, 0, inRounds('stage', { try: 2 }));
    expect(kindsIn({ ...rounds, ledger: early })).toEqual(['committed task executed again']);
  });

  it.each([
    inRounds('stage', { attempt: 2, fence: 60n }),
    inRounds('prepare', { attempt: 3, fence: 12n }),
    inRounds('deliver', { try: 3 }),
  ])('finds a try started that was committed, or follows one: $key', (again) => {
    const found = kindsIn({ ...rounds, ledger: [...rounds.ledger, again] });
    expect(found).toEqual(['committed task executed again']);
  });

  it('finds one try committed twice, by whichever job', () => {
    const again = { jobId: 'r', task: 'prepare', try: 2, attempt: 2 };
    const commits = [...rounds.commits, again];
    expect(kindsIn({ ...rounds, commits })).toEqual(['task committed twice']);
  });

  it('finds a late write of a task job that was taken, and an attempt of one under two fences', () => {
    const taken = rounds.ledger.map((one): LedgerEntry => ({ ...one, verdict: 'accepted' }));
    expect(kindsIn({ ...rounds, ledger: taken })).toEqual(['zombie write accepted']);
    const other = inRounds('prepare', { what: 'effect', try: 2, fence: 6n, verdict: 'repeat' });
    const ledger = [...rounds.ledger, other];
    expect(kindsIn({ ...rounds, ledger })).toEqual(['fence out of order']);
  });

  it('finds a task job that goes on although its job is over', () => {
    const jobs = [{ ...jobR, taskJobs: [{ jobId: 't', state: 'ready', attempts: [] } as const] }];
    expect(kindsIn({ ...rounds, jobs })).toEqual(['job not finished']);
  });

  it('does not time the takeovers of jobs that write nothing while they wait', () => {
    const posts = sound.posts.map((post) => ({ ...post, flow: 'chaos-rounds' }));
    expect(measureTakeovers({ ...sound, posts })).toEqual([]);
  });
});

describe('the measure of takeovers', () => {
  const excludedBy = (change: Partial<History>): readonly unknown[] =>
    measureTakeovers({ ...sound, ...change }).map(({ excluded }) => excluded);

  it('counts from the fault to the next write of another attempt', () => {
    expect(measureTakeovers(sound)).toEqual([
      { jobId: 'a', attempt: 1, class: 'crashed', gapMs: 500, boundMs: 1000, excluded: undefined },
    ]);
  });

  it('does not judge where capacity was not free, and says why', () => {
    const storeFault: FaultRecord = { ...crash, lane: 'store', target: 'member 1', atMs: 1500 };
    const { takeover: _none, ...withoutTakeover } = storeFault;
    expect(excludedBy({ faults: [crash, withoutTakeover] })).toEqual(['store fault']);
    expect(excludedBy({ samples: [] })).toEqual(['no answer from the store']);
    expect(excludedBy({ samples: samples({ w0: 4, w1: 0 }) })).toEqual(['no free places']);
    expect(excludedBy({ stalls: [{ atMs: 2100, lastedMs: 400 }] })).toEqual(['machine busy']);
    const later = sound.ledger.map((one) =>
      one.attempt === 2 ? { ...one, attempt: 3, fence: 30n } : one,
    );
    expect(excludedBy({ ledger: later })).toEqual(['struck again']);
  });

  it('leaves out a job that was cancelled with its worker and revived by somebody', () => {
    const revive = { what: 'revive', jobId: 'a', outcome: 'acknowledged' } as const;
    const controls = [{ ...revive, sentMs: 2200, endedMs: 2300 }];
    expect(measureTakeovers({ ...sound, controls })).toEqual([]);
  });

  it('does not count a worker that another fault has struck as free', () => {
    const other: FaultRecord = {
      kind: 'worker paused',
      target: 'w1',
      lane: 'workers',
      atMs: 1900,
      endMs: 4000,
    };
    expect(excludedBy({ faults: [crash, other] })).toEqual(['no free places']);
  });
});
