// What the outside asks of a job and tells it, against what its worker, the upkeep and other workers do:
// their commits reach the store in any order, answers get lost, and some commits happen long after
// nobody waits for them any more.
import type { Commit, CommitResult, Coord } from '@holdfast/coord';
import {
  encodeJson,
  fromUnknown,
  isFinal,
  type JobId,
  OutcomeUnknownError,
  toFailure,
} from '@holdfast/core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Board } from './board.ts';
import type { Claim } from './claim.ts';
import { controlOf } from './job-decision.ts';
import { readJob, readSignals } from './job-reader.ts';
import type { Member } from './member.ts';
import { takeOverMember } from './takeover.ts';
import {
  divertingCommits,
  newJob,
  postedId,
  successAtom,
  TestFleet,
  type TestMember,
} from './test-fleet.fixture.ts';
import { promoteDueJobs } from './time-sweeps.ts';

const ENDS = ['succeed', 'fail', 'retryLater', 'wait', 'suspended', 'release'] as const;
const ASKS = ['signal', 'suspend', 'resume', 'cancel', 'cancelWithRevert'] as const;

type Step =
  | { readonly kind: 'ask'; readonly what: (typeof ASKS)[number] }
  | { readonly kind: 'claim' }
  | { readonly kind: 'end'; readonly how: (typeof ENDS)[number] }
  | { readonly kind: 'promote' | 'die' }
  /** Lets one of the commits on their way happen, and its answer arrive or be lost. */
  | { readonly kind: 'deliver'; readonly which: number; readonly answers: boolean }
  /** The sender of one of them is told that the answer was lost; it happens later. */
  | { readonly kind: 'forget'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('ask'), what: fc.constantFrom(...ASKS) }) },
  { weight: 3, arbitrary: fc.constant<Step>({ kind: 'claim' }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('end'), how: fc.constantFrom(...ENDS) }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: 'promote' }, { kind: 'die' }) },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('deliver'),
      which: fc.nat(20),
      answers: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget'), which: fc.nat(20) }) },
) as fc.Arbitrary<Step>; // each alternative is one of its kinds

interface Sent {
  readonly apply: () => Promise<CommitResult>;
  readonly answer: PromiseWithResolvers<CommitResult>;
}

/** One job, and everybody who has to do with it. */
class Race {
  readonly #fleet: TestFleet;
  readonly #sent: Sent[] = [];
  readonly #acknowledged: number[] = [];
  #isHolding = false;
  #board: Board | undefined;
  #worker: TestMember | undefined;
  #id: JobId | undefined;
  #claim: Claim | undefined;
  /** Signals that the last attempt which came to wait had seen. */
  #seen = 0;

  constructor(fleet: TestFleet) {
    this.#fleet = fleet;
  }

  async begin(): Promise<void> {
    this.#board = await this.#fleet.openBoard({}, (coord) => this.#hold(coord));
    const [posted] = await this.#board.post([newJob({ maxAttempts: 100 })]);
    this.#id = postedId(posted);
    this.#worker = await this.#fleet.joinMember(this.#board);
    this.#isHolding = true;
  }

  /** Commits wait on their way until they are delivered. */
  #hold(coord: Coord): Coord {
    return divertingCommits(coord, (commit: Commit) => {
      if (!this.#isHolding || commit.write.every(({ key }) => key.startsWith('buckets/')))
        return coord.commit(commit);
      const answer = Promise.withResolvers<CommitResult>();
      this.#sent.push({ apply: () => coord.commit(commit), answer });
      return answer.promise;
    });
  }

  async act(next: Step): Promise<void> {
    switch (next.kind) {
      case 'ask':
        this.#unwatched(this.#ask(next.what));
        break;
      case 'claim':
        this.#unwatched(this.#tryClaim());
        break;
      case 'end':
        this.#unwatched(this.#end(next.how));
        break;
      case 'promote':
        this.#unwatched(promoteDueJobs(this.board.parts, this.#fleet.clock.nowUnixMs() + 10_000));
        break;
      case 'die':
        await this.#die();
        break;
      case 'deliver':
        await this.#deliver(next);
        break;
      case 'forget':
        this.#pick(next.which)?.answer.reject(new OutcomeUnknownError('the answer was lost'));
        break;
      default:
        next satisfies never;
    }
    await this.#settle();
    await this.#check();
  }

  /** Everything that is on its way happens, and the job goes on until nothing is left to be done. */
  async finish(): Promise<void> {
    this.#isHolding = false;
    while (this.#sent.length > 0) {
      await this.#deliver({ which: 0, answers: true });
      await this.#settle();
      await this.#check();
    }
    const { problems } = await this.board.doctor({ repair: false });
    expect(problems).toEqual([]);
    const signals = await readSignals(this.board.parts.coord, this.id);
    expect(signals.map(({ seq }) => seq)).toEqual(signals.map((_, index) => index + 1));
    for (const number of this.#acknowledged) {
      expect(signals.filter(({ name }) => name === `s${number}`)).toHaveLength(1);
    }
  }

  get board(): Board {
    if (!this.#board) throw new Error('the race has not begun');
    return this.#board;
  }

  get id(): JobId {
    if (!this.#id) throw new Error('the race has not begun');
    return this.#id;
  }

  get #member(): Member {
    if (!this.#worker) throw new Error('the race has not begun');
    return this.#worker.member;
  }

  #signals = 0;

  async #ask(what: (typeof ASKS)[number]): Promise<void> {
    const { board, id } = this;
    if (what === 'signal') {
      this.#signals += 1;
      const number = this.#signals;
      const signal = {
        name: `s${number}`,
        payload: encodeJson(number),
        idempotencyKey: `${number}`,
      };
      await this.#untilKnown(() => board.signal(id, signal));
      this.#acknowledged.push(number);
    } else if (what === 'resume') await board.resume(id);
    else if (what === 'suspend') await board.suspend(id, { reason: '' });
    else await board.cancel(id, { reason: '', revert: what === 'cancelWithRevert' });
  }

  /** Repeats a call whose answer was lost, as a client does that has a key. */
  async #untilKnown(call: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await call();
        return;
      } catch (error) {
        if (!(error instanceof OutcomeUnknownError)) throw error;
      }
    }
  }

  async #tryClaim(): Promise<void> {
    const member = this.#member;
    const [claim] = await member.claim({ limit: 1 });
    if (claim && member === this.#member) this.#claim = claim;
  }

  async #end(how: (typeof ENDS)[number]): Promise<void> {
    const claim = this.#claim;
    if (!claim) return;
    this.#claim = undefined;
    const member = this.#member;
    const atoms = [successAtom('a')];
    const signalsSeen = claim.signals.length;
    const runAtUnixMs = this.#fleet.clock.nowUnixMs() + 5000;
    const end = {
      succeed: () => member.succeed(claim, { atoms, output: encodeJson({}) }),
      fail: () => member.fail(claim, { atoms, failure: toFailure(new Error('x')) }),
      retryLater: () => member.retryLater(claim, { atoms, runAtUnixMs, reason: 'x' }),
      wait: () => {
        this.#seen = signalsSeen;
        return member.wait(claim, { atoms, signalsSeen, reason: 'x' });
      },
      suspended: () => member.suspended(claim, { atoms }),
      release: () => member.release(claim, { atoms, reason: 'x' }),
    }[how];
    await this.#untilKnown(end);
  }

  /** The worker dies, its jobs are taken over, and another one comes. */
  async #die(): Promise<void> {
    const dead = this.#worker;
    if (!dead) return;
    await dead.die();
    this.#isHolding = false;
    this.#claim = undefined;
    this.#worker = await this.#fleet.joinMember(this.board);
    this.#isHolding = true;
    this.#unwatched(takeOverMember(this.board.parts, dead.member.id));
  }

  #pick(which: number): Sent | undefined {
    return this.#sent.length === 0 ? undefined : this.#sent[which % this.#sent.length];
  }

  async #deliver({
    which,
    answers,
  }: {
    readonly which: number;
    readonly answers: boolean;
  }): Promise<void> {
    const sent = this.#pick(which);
    if (!sent) return;
    this.#sent.splice(this.#sent.indexOf(sent), 1);
    const result = await sent.apply();
    if (answers) sent.answer.resolve(result);
    else sent.answer.reject(new OutcomeUnknownError('the answer was lost'));
  }

  /** Refusals and lost answers are part of the game; anything else is a defect. */
  #unwatched(errand: Promise<unknown>): void {
    void errand.catch((error: unknown) => {
      const { code } = fromUnknown(error);
      if (code === 'INTERNAL') this.#defects.push(error);
    });
  }

  readonly #defects: unknown[] = [];

  /** Lets what has been answered go on as far as it gets. */
  async #settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) await this.#fleet.clock.advance(0);
    await this.#fleet.clock.advance(1);
  }

  /** What holds after every single commit. */
  async #check(): Promise<void> {
    expect(this.#defects).toEqual([]);
    const job = await readJob(this.board.parts.coord, this.id);
    if (!job) throw new Error('the job is gone');
    const { kind } = job.status.phase;
    const { wish, signals } = controlOf(job);
    if (kind === 'waiting') expect(signals).toBe(this.#seen);
    if (wish === 'suspend') expect(kind === 'running' || isFinal(kind)).toBe(true);
    if (wish === 'cancel') expect(['running', 'cancelled']).toContain(kind);
    if (wish === 'cancelWithRevert') expect(['running', 'ready', 'cancelled']).toContain(kind);
  }
}

it('no signal is missed, no acknowledged suspend or cancel is overlooked, in any order of commits', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      await using fleet = new TestFleet();
      const race = new Race(fleet);
      await race.begin();
      for (const next of steps) await race.act(next);
      await race.finish();
    }),
    { numRuns: 300, endOnFailure: false },
  );
}, 120_000);
