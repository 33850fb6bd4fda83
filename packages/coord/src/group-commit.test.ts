import { fromUnknown, VirtualClock } from '@holdfast/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { committedAt, guardHolds, refusedBy } from './commit-result.ts';
import type { Commit, Guard, Key, Version } from './coord.ts';
import { type CommitOutcome, GroupCommit, type GroupCommitOptions } from './group-commit.ts';

const LIMITS = {
  maxCommits: 8,
  maxOps: 100,
  maxBytes: 100_000,
  maxInFlight: 2,
  maxQueued: 1000,
} as const;

function put(key: Key, value = ''): Commit {
  return { when: [], write: [{ kind: 'put', key, value: new TextEncoder().encode(value) }] };
}

function guarded(guard: Key, written: Key): Commit {
  return { when: [{ kind: 'absent', key: guard }], write: put(written).write };
}

interface SentGroup {
  readonly commits: readonly Commit[];
  answer(): void;
  fail(error: unknown): void;
}

/**
 * A store that judges a group as etcd does: all guards first, then all writes. It answers when told
 * to, in whatever order.
 */
class ModelStore {
  readonly versions = new Map<Key, Version>();
  readonly inFlight: SentGroup[] = [];
  /** Every commit that was judged, in the order of its instant. */
  readonly judged: Commit[] = [];
  readonly sent: (readonly Commit[])[] = [];
  #revision = 0n;

  readonly send = (commits: readonly Commit[]): Promise<readonly CommitOutcome[]> => {
    this.sent.push(commits);
    const { promise, resolve, reject } = Promise.withResolvers<readonly CommitOutcome[]>();
    const leave = (): void => void this.inFlight.splice(this.inFlight.indexOf(group), 1);
    const group: SentGroup = {
      commits,
      answer: () => {
        leave();
        resolve(this.#judge(commits));
      },
      fail: (error) => {
        leave();
        reject(error);
      },
    };
    this.inFlight.push(group);
    return promise;
  };

  #judge(commits: readonly Commit[]): CommitOutcome[] {
    const failures = commits.map((commit) => firstFailure(commit, this.versions));
    return commits.map((commit, index) => {
      this.judged.push(commit);
      const failed = failures[index];
      if (failed) return { kind: 'verdict', result: refusedBy(failed) };
      this.#revision += 1n;
      write(commit, this.versions, this.#revision);
      return { kind: 'verdict', result: committedAt(commit, this.#revision) };
    });
  }
}

function firstFailure(commit: Commit, versions: ReadonlyMap<Key, Version>): Guard | undefined {
  return commit.when.find((guard) => !guardHolds(guard, versions.get(guard.key)));
}

function write(commit: Commit, versions: Map<Key, Version>, version: Version): void {
  for (const each of commit.write) {
    if (each.kind === 'put') versions.set(each.key, version);
    else versions.delete(each.key);
  }
}

function touches(commit: Commit, key: Key): boolean {
  return [...commit.when, ...commit.write].some((each) => each.key === key);
}

function conflict(a: Commit, b: Commit): boolean {
  const breaks = (writer: Commit, other: Commit): boolean =>
    writer.write.some((each) => touches(other, each.key));
  return breaks(a, b) || breaks(b, a);
}

function opened(options: Partial<GroupCommitOptions> = {}): {
  store: ModelStore;
  group: GroupCommit;
} {
  const store = new ModelStore();
  return { store, group: new GroupCommit({ ...LIMITS, send: store.send, ...options }) };
}

function settle(): Promise<void> {
  return new VirtualClock().advance(0);
}

/** The code a promise is rejected with; watched from now on, so that no rejection is unhandled. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return fromUnknown(error).code;
  }
}

describe('group commit', () => {
  it('sends a lone commit at once, without waiting for company', async () => {
    const { store, group } = opened();
    const result = group.commit(put('a'));
    await Promise.resolve();
    expect(store.sent).toHaveLength(1);
    store.inFlight[0]?.answer();
    expect((await result).committed).toBe(true);
  });

  it('lets commits of one turn share a group, and later ones wait for a free place in flight', async () => {
    const { store, group } = opened({ maxInFlight: 1 });
    const results = ['a', 'b'].map((key) => group.commit(put(key)));
    await settle();
    results.push(...['c', 'd', 'e'].map((key) => group.commit(put(key))));
    await settle();
    expect(store.sent.map((commits) => commits.length)).toEqual([2]);
    store.inFlight[0]?.answer();
    await settle();
    expect(store.sent.map((commits) => commits.length)).toEqual([2, 3]);
    expect(group.stats).toEqual({ commits: 5, groups: 2, queued: 0, inFlight: 1 });
    store.inFlight[0]?.answer();
    expect(await Promise.all(results)).toHaveLength(5);
  });

  it.each([
    ['one guards what the other writes', guarded('x', 'y'), guarded('y', 'x')],
    ['both write the same key', put('x'), put('x')],
    ['the first writes what the second guards', put('x'), guarded('x', 'z')],
    ['the first guards what the second writes', guarded('x', 'z'), put('x')],
  ])('never sends two commits at the same time when %s (I1, I2)', async (_, first, second) => {
    const { store, group } = opened();
    const results = [group.commit(first), group.commit(second)];
    await settle();
    expect(store.sent).toEqual([[first]]);
    store.inFlight[0]?.answer();
    await settle();
    expect(store.sent).toEqual([[first], [second]]);
    store.inFlight[0]?.answer();
    await Promise.all(results);
  });

  it('lets any number of commits guard the same key together', async () => {
    const { store, group } = opened();
    const results = ['a', 'b', 'c'].map((key) => group.commit(guarded('worker', key)));
    await settle();
    expect(store.sent.map((commits) => commits.length)).toEqual([3]);
    store.inFlight[0]?.answer();
    await Promise.all(results);
  });

  it('does not let readers that keep coming starve a writer (I3)', async () => {
    const { store, group } = opened();
    const results = [group.commit(guarded('hot', 'a'))];
    await settle();
    results.push(group.commit(put('hot')));
    for (let n = 0; n < 20; n += 1) results.push(group.commit(guarded('hot', `b${n}`)));
    store.inFlight[0]?.answer();
    await settle();
    expect(store.sent[1]).toEqual([put('hot')]);
    while (store.inFlight.length > 0) {
      store.inFlight[0]?.answer();
      await settle();
    }
    expect(await Promise.all(results)).toHaveLength(22);
  });

  it('keeps groups within the limits, but never holds back a commit that is larger alone', async () => {
    const { store, group } = opened({ maxOps: 3, maxBytes: 50, maxCommits: 3, maxInFlight: 100 });
    const large = put('large', 'x'.repeat(60));
    const many: Commit = { when: [], write: ['p', 'q', 'r', 's'].flatMap((key) => put(key).write) };
    const small = ['a', 'b', 'c', 'd'].map((key) => put(key));
    const commits = [large, ...small, many, put('e')];
    const results = commits.map((commit) => group.commit(commit));
    await settle();
    expect(store.sent).toEqual([[large], small.slice(0, 3), small.slice(3), [many], [put('e')]]);
    for (const sent of store.inFlight.slice()) sent.answer();
    await Promise.all(results);
  });

  it('fails one commit too many with RESOURCE_EXHAUSTED, and takes more once there is room', async () => {
    const { store, group } = opened({ maxQueued: 2, maxInFlight: 1 });
    const first = group.commit(put('a'));
    await settle();
    const waiting = [group.commit(put('b')), group.commit(put('c'))];
    await expect(group.commit(put('d'))).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    store.inFlight[0]?.answer();
    await first;
    await settle();
    waiting.push(group.commit(put('e')));
    store.inFlight[0]?.answer();
    await settle();
    store.inFlight[0]?.answer();
    await Promise.all(waiting);
  });

  it('fails all members with the error of their group, and only those (I4)', async () => {
    const { store, group } = opened();
    const results = [group.commit(put('a')), group.commit(put('b')), group.commit(put('a'))];
    const settled = Promise.allSettled(results);
    await settle();
    store.inFlight[0]?.fail(new Error('the store is away'));
    await settle();
    store.inFlight[0]?.answer();
    expect((await settled).map((each) => each.status)).toEqual([
      'rejected',
      'rejected',
      'fulfilled',
    ]);
  });

  it('tells each member its own error', async () => {
    const error = new Error('only this one');
    const { group } = opened({
      send: async (commits) =>
        commits.map((commit, index) =>
          index === 1
            ? { kind: 'failed', error }
            : { kind: 'verdict', result: committedAt(commit, 1n) },
        ),
    });
    const results = ['a', 'b', 'c'].map((key) => group.commit(put(key)));
    const settled = await Promise.allSettled(results);
    expect(settled.map((each) => each.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('never sends a commit whose caller gave up in time, and lets those behind it go on', async () => {
    const { store, group } = opened();
    const abort = new AbortController();
    const first = group.commit(put('a'));
    await settle();
    const given = group.commit(put('a', 'given up'), { signal: abort.signal });
    const behind = group.commit(guarded('b', 'a'));
    const refused = codeOf(given);
    abort.abort();
    expect(await refused).toBe('CANCELLED');
    store.inFlight[0]?.answer();
    await first;
    await settle();
    store.inFlight[0]?.answer();
    expect((await behind).committed).toBe(true);
    expect(store.judged).toEqual([put('a'), guarded('b', 'a')]);
    expect(store.sent).toHaveLength(2);
  });

  it('says that the outcome is unknown to a caller that gives up too late, and holds the keys until the answer', async () => {
    const { store, group } = opened();
    const abort = new AbortController();
    const given = group.commit(put('a'), { signal: abort.signal });
    const refused = codeOf(given);
    await settle();
    abort.abort();
    expect(await refused).toBe('OUTCOME_UNKNOWN');
    const behind = group.commit(put('a'));
    await settle();
    expect(store.sent).toHaveLength(1);
    store.inFlight[0]?.answer();
    await settle();
    store.inFlight[0]?.answer();
    await behind;
  });

  it('when closed, fails what was not sent, waits for what was, and takes nothing more', async () => {
    const { store, group } = opened({ maxInFlight: 1 });
    const sent = group.commit(put('a'));
    await settle();
    const unsent = group.commit(put('b'));
    const refused = codeOf(unsent);
    let isClosed = false;
    const closed = group.close().then(() => {
      isClosed = true;
    });
    expect(await refused).toBe('UNAVAILABLE');
    await expect(group.commit(put('c'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await settle();
    expect(isClosed).toBe(false);
    store.inFlight[0]?.answer();
    await closed;
    expect((await sent).committed).toBe(true);
    expect(store.sent).toHaveLength(1);
  });

  it('takes 20,000 commits, also when they all want the same keys, in time that grows as they do', async () => {
    const apply = async (commits: readonly Commit[]): Promise<CommitOutcome[]> =>
      commits.map((commit) => ({ kind: 'verdict', result: committedAt(commit, 1n) }));
    const group = new GroupCommit({ ...LIMITS, maxQueued: 100_000, send: apply });
    const results: Promise<unknown>[] = [];
    for (let n = 0; n < 10_000; n += 1) {
      results.push(group.commit(guarded('session', `own/${n}`)), group.commit(put('hot')));
    }
    expect(await Promise.all(results)).toHaveLength(20_000);
    expect(group.stats).toMatchObject({ commits: 20_000, queued: 0, inFlight: 0 });
  });
});

const KEYS = ['p', 'q', 'r', 's'] as const;
const guardArbitrary: fc.Arbitrary<Guard> = fc.oneof(
  fc.record({ kind: fc.constant('absent' as const), key: fc.constantFrom(...KEYS) }),
  fc.record({ kind: fc.constant('exists' as const), key: fc.constantFrom(...KEYS) }),
  fc.record({
    kind: fc.constant('unchanged' as const),
    key: fc.constantFrom(...KEYS),
    version: fc.bigInt({ min: 1n, max: 8n }),
  }),
);
const commitArbitrary: fc.Arbitrary<Commit> = fc.record({
  when: fc.array(guardArbitrary, { maxLength: 2 }),
  write: fc
    .uniqueArray(fc.constantFrom(...KEYS), { maxLength: 2 })
    .chain((keys) =>
      fc.tuple(
        ...keys.map((key) =>
          fc
            .boolean()
            .map((isPut) =>
              isPut
                ? ({ kind: 'put', key, value: new Uint8Array() } as const)
                : ({ kind: 'remove', key } as const),
            ),
        ),
      ),
    ),
});
/** What happens next: a commit is handed in, an earlier one is given up, or a group is answered. */
const stepArbitrary = fc.oneof(
  { weight: 4, arbitrary: fc.record({ commit: commitArbitrary }) },
  { weight: 1, arbitrary: fc.record({ giveUp: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ answer: fc.nat(), fails: fc.boolean() }) },
);
type Step = typeof stepArbitrary extends fc.Arbitrary<infer Value> ? Value : never;

interface HandedIn {
  readonly commit: Commit;
  readonly abort: AbortController;
  readonly outcome: Promise<PromiseSettledResult<unknown>>;
}

async function play(steps: readonly Step[], options: Partial<GroupCommitOptions>) {
  const { store, group } = opened({ maxCommits: 3, ...options });
  const handedIn: HandedIn[] = [];
  const checkInFlight = (): void => {
    const commits = store.inFlight.flatMap((sent) => sent.commits);
    const isApart = commits.every((a, i) => commits.every((b, j) => i >= j || !conflict(a, b)));
    expect(isApart || options.isSequential).toBe(true); // I1
    expect(store.inFlight.length).toBeLessThanOrEqual(options.maxInFlight ?? LIMITS.maxInFlight);
  };
  for (const step of steps) {
    if ('commit' in step) {
      const abort = new AbortController();
      const settled = Promise.allSettled([group.commit(step.commit, { signal: abort.signal })]);
      const outcome = settled.then(([only]) => only);
      handedIn.push({ commit: step.commit, abort, outcome });
    } else if ('giveUp' in step) {
      handedIn[step.giveUp % handedIn.length]?.abort.abort();
      await settle();
    } else {
      const sent = store.inFlight[step.answer % Math.max(1, store.inFlight.length)];
      if (step.fails) sent?.fail(new Error('away'));
      else sent?.answer();
      await settle();
    }
    checkInFlight();
  }
  for (await settle(); store.inFlight.length > 0; await settle()) {
    checkInFlight();
    store.inFlight[0]?.answer();
  }
  return { store, group, handedIn };
}

/** The verdicts that a store gives which judges one commit after the other. */
function replay(commits: readonly Commit[]): Map<Commit, Guard | undefined> {
  const versions = new Map<Key, Version>();
  const verdicts = new Map<Commit, Guard | undefined>();
  let revision = 0n;
  for (const commit of commits) {
    const failed = firstFailure(commit, versions);
    verdicts.set(commit, failed);
    if (failed) continue;
    revision += 1n;
    write(commit, versions, revision);
  }
  return verdicts;
}

describe.each([
  ['kept apart', {}],
  ['in sequence', { isSequential: true, maxInFlight: 1 }],
])('group commit, conflicts %s', (kind, options) => {
  it('gives the verdicts of a serial order that keeps the order of conflicting commits', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 40 }), async (steps) => {
        // A store that judges in sequence is modelled by groups of one.
        const sizes = kind === 'in sequence' ? { maxCommits: 1 } : {};
        const { store, group, handedIn } = await play(steps, { ...options, ...sizes });
        const verdicts = replay(store.judged);
        for (const { commit, outcome } of handedIn) {
          const settled = await outcome; // I4: each has an answer.
          if (settled.status === 'rejected') continue;
          const failedGuard = verdicts.get(commit);
          const expected = failedGuard ? { committed: false, failedGuard } : { committed: true };
          expect(settled.value).toMatchObject(expected);
        }
        const order = handedIn.map(({ commit }) => commit);
        for (const [at, later] of store.judged.entries()) {
          for (const earlier of store.judged.slice(0, at)) {
            const isInOrder = order.indexOf(earlier) < order.indexOf(later);
            expect(isInOrder || !conflict(earlier, later)).toBe(true); // I2, I3
          }
        }
        expect(group.stats).toMatchObject({ queued: 0, inFlight: 0 });
      }),
      { numRuns: 300 },
    );
  });
});
