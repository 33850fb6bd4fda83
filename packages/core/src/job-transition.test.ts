import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AssertionError } from './assert.ts';
import { createJobId, createWorkerId } from './ids.ts';
import {
  canTransitionJob,
  isFinal,
  type JobEvent,
  type JobSpec,
  type JobState,
  type JobStatus,
} from './job.ts';
import { initialStatus, transitionJob } from './job-transition.ts';
import { LIMITS } from './limits.ts';
import { encodeJson } from './payload.ts';
import { createSeededRandom } from './random.ts';
import { VirtualClock } from './virtual-clock.ts';

const source = { clock: new VirtualClock(), random: createSeededRandom(1) };
const position = { bucket: 'b', order: 'o' };
const worker = createWorkerId('w', source);
const spec: JobSpec = {
  id: createJobId(source),
  flow: 'f',
  input: encodeJson({}),
  queue: 'q',
  priority: 5,
  maxAttempts: 3,
  deadlines: {},
  retentionMs: 1,
  labels: {},
  contentDigest: '',
  postedAtUnixMs: 0,
};

const events: fc.Arbitrary<JobEvent> = fc.oneof(
  fc.constant<JobEvent>({ kind: 'makeReady', position, atUnixMs: 1 }),
  fc.constant<JobEvent>({ kind: 'claim', worker, flowVersion: 1, atUnixMs: 1 }),
  fc
    .constantFrom('succeeded', 'failed', 'cancelled', 'dead')
    .map((state): JobEvent => ({ kind: 'finish', state: state as 'failed', atUnixMs: 1 })), // one of the final states, whichever
  fc.constant<JobEvent>({ kind: 'release', position, atUnixMs: 1, reason: 'r' }),
  fc.constant<JobEvent>({ kind: 'retryLater', runAtUnixMs: 9, atUnixMs: 1, reason: 'r' }),
  fc
    .constantFrom(undefined, 9)
    .map((untilUnixMs): JobEvent => ({ kind: 'wait', untilUnixMs, atUnixMs: 1, reason: 'r' })),
  fc
    .constantFrom(undefined, 9)
    .map((runAtUnixMs): JobEvent => ({ kind: 'suspend', runAtUnixMs, atUnixMs: 1, reason: 'r' })),
  fc.constant<JobEvent>({ kind: 'reschedule', runAtUnixMs: 9, atUnixMs: 1, reason: 'r' }),
  fc.constant<JobEvent>({ kind: 'lose', position, atUnixMs: 1, reason: 'r' }),
  fc.constant<JobEvent>({
    kind: 'loseSuspended',
    atUnixMs: 1,
    reason: 'r',
    suspendReason: 's',
  }),
  fc.constantFrom('dead', 'cancelled', 'failed').map(
    (state): JobEvent => ({
      kind: 'loseForGood',
      state: state as 'dead',
      atUnixMs: 1,
      reason: 'r',
    }),
  ), // one of three, whichever
  fc.constant<JobEvent>({ kind: 'revive', position, atUnixMs: 1 }),
);

const LOSSES: ReadonlySet<JobEvent['kind']> = new Set(['lose', 'loseForGood', 'loseSuspended']);

/** Applies what is possible, skips what isn't. */
function run(
  steps: readonly JobEvent[],
  each: (before: JobStatus, after: JobStatus, event: JobEvent) => void,
): JobStatus {
  let status = initialStatus(spec, position);
  for (const event of steps) {
    try {
      const after = transitionJob(status, event);
      each(status, after, event);
      status = after;
    } catch (error) {
      if (!(error instanceof AssertionError)) throw error;
    }
  }
  return status;
}

describe('the state machine of a job', () => {
  it('makes no transition that the table does not allow', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 40 }), (steps) => {
        run(steps, (before, after) =>
          expect(canTransitionJob(before.phase.kind, after.phase.kind)).toBe(true),
        );
      }),
    );
  });

  it('counts an attempt for each claim and for nothing else (J1)', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 40 }), (steps) => {
        run(steps, (before, after, event) =>
          expect(after.attempt - before.attempt).toBe(event.kind === 'claim' ? 1 : 0),
        );
      }),
    );
  });

  it('binds a job to a version of its flow by a claim, and by nothing else (J5)', () => {
    const claims = fc
      .integer({ min: 1, max: 9 })
      .map((flowVersion): JobEvent => ({ kind: 'claim', worker, flowVersion, atUnixMs: 1 }));
    fc.assert(
      fc.property(fc.array(fc.oneof(events, claims), { maxLength: 40 }), (steps) => {
        run(steps, (before, after, event) =>
          expect(after.flowVersion).toBe(
            event.kind === 'claim' ? event.flowVersion : before.flowVersion,
          ),
        );
      }),
    );
  });

  it('says when a job was claimed first, until a revival', () => {
    const claim = (atUnixMs: number): JobEvent => ({
      kind: 'claim',
      worker,
      flowVersion: 1,
      atUnixMs,
    });
    const startedAt: (number | undefined)[] = [];
    run(
      [
        claim(1),
        { kind: 'release', position, atUnixMs: 2, reason: 'r' },
        claim(3),
        { kind: 'finish', state: 'failed', atUnixMs: 4 },
        { kind: 'revive', position, atUnixMs: 5 },
        claim(6),
      ],
      (_before, after) => startedAt.push(after.startedAtUnixMs),
    );
    expect(startedAt).toEqual([1, 1, 1, 1, undefined, 6]);
  });

  it('counts lost attempts only when one was lost, until a revival (J3)', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 40 }), (steps) => {
        run(steps, (before, after, event) => {
          const expected =
            event.kind === 'revive' ? 0 : before.lostAttempts + (LOSSES.has(event.kind) ? 1 : 0);
          expect(after.lostAttempts).toBe(expected);
        });
      }),
    );
  });

  it('has at most one open attempt, the last one, and only while running', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 40 }), (steps) => {
        run(steps, (_before, after) => {
          const open = after.attempts.filter((attempt) => attempt.end === undefined);
          expect(open.map((attempt) => attempt.number)).toEqual(
            after.phase.kind === 'running' ? [after.attempt] : [],
          );
        });
      }),
    );
  });

  it('never leaves succeeded, and leaves other final states by a revival only (J2)', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 40 }), (steps) => {
        run(steps, (before, _after, event) => {
          const leaves = isFinal(before.phase.kind)
            ? [before.phase.kind === 'succeeded', event.kind]
            : [];
          expect([[], [false, 'revive']]).toContainEqual(leaves);
        });
      }),
    );
  });

  it('lets a waiting or suspended job run again by way of ready only (J4)', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 40 }), (steps) => {
        run(steps, (before, after) => {
          const began = after.phase.kind === 'running' ? before.phase.kind : 'ready';
          expect(began).toBe('ready');
        });
      }),
    );
  });

  it('keeps the time of a scheduled job while it is suspended', () => {
    const status = run(
      [
        { kind: 'claim', worker, flowVersion: 1, atUnixMs: 1 },
        { kind: 'retryLater', runAtUnixMs: 9, atUnixMs: 2, reason: 'r' },
        { kind: 'suspend', atUnixMs: 3, reason: 'maintenance' },
      ],
      () => undefined,
    );
    expect(status.phase).toEqual({
      kind: 'suspended',
      suspendedAtUnixMs: 3,
      reason: 'maintenance',
      runAtUnixMs: 9,
    });
  });

  it('keeps a bounded history and says how much it dropped', () => {
    const steps = Array.from({ length: LIMITS.attemptsInHistory + 7 }, (): JobEvent[] => [
      { kind: 'claim', worker, flowVersion: 1, atUnixMs: 1 },
      { kind: 'release', position, atUnixMs: 1, reason: 'r' },
    ]).flat();
    const status = run(steps, () => undefined);
    expect(status.attempts).toHaveLength(LIMITS.attemptsInHistory);
    expect(status.attemptsDropped).toBe(7);
    expect(status.attempts.at(-1)?.number).toBe(LIMITS.attemptsInHistory + 7);
  });

  it('knows every state as final or not', () => {
    const states: Readonly<Record<JobState, boolean>> = {
      scheduled: false,
      ready: false,
      running: false,
      waiting: false,
      suspended: false,
      succeeded: true,
      failed: true,
      cancelled: true,
      dead: true,
    };
    for (const [state, expected] of Object.entries(states))
      expect(isFinal(state as JobState)).toBe(expected); // keys of the record
  });
});
