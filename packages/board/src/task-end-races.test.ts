// The end of a task job against what its parent does at the time: their commits reach the store in any
// order, answers get lost, and who was to tell may die before.
import type { Commit, CommitResult } from '@holdfast/coord';
import { isFinal, type JobId, OutcomeUnknownError } from '@holdfast/core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Claim } from './claim.ts';
import {
  notes,
  parentOf,
  type RunningFamily,
  runningFamily,
  settle,
  succeed,
  WAIT,
  type Wrap,
} from './running-family.fixture.ts';
import { tellOfEndedTaskJobs } from './task-ends.ts';
import { divertingCommits, TestFleet } from './test-fleet.fixture.ts';

type Step =
  | { readonly kind: 'look' | 'wait' | 'claim' | 'sweep' | 'dies' }
  | { readonly kind: 'end'; readonly which: number }
  | { readonly kind: 'deliver'; readonly which: number; readonly answers: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom<Step>({ kind: 'look' }, { kind: 'wait' }, { kind: 'claim' }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: 'sweep' }, { kind: 'dies' }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('end'), which: fc.nat(2) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('deliver'),
      which: fc.nat(20),
      answers: fc.boolean(),
    }),
  },
) as fc.Arbitrary<Step>; // each alternative is one of its kinds

interface Sent {
  readonly apply: () => Promise<CommitResult>;
  readonly answer: PromiseWithResolvers<CommitResult>;
}

/** A parent and its task jobs, whose commits wait on their way until they are delivered. */
class Race {
  readonly #sent: Sent[] = [];
  #isHolding = false;
  #family: RunningFamily | undefined;
  #claim: Claim | undefined;
  /** What the holder's last look at its task jobs has shown. */
  #look: { readonly taskEndsSeen: number; readonly ended: ReadonlySet<JobId> } | undefined;
  /** The look that the last wait was decided by. */
  #waitedBy: ReadonlySet<JobId> = new Set();
  readonly #ended = new Set<number>();

  async begin(fleet: TestFleet): Promise<void> {
    const hold: Wrap = (coord) =>
      divertingCommits(coord, (commit: Commit) => {
        if (!this.#isHolding || commit.write.every(({ key }) => key.startsWith('buckets/')))
          return coord.commit(commit);
        const answer = Promise.withResolvers<CommitResult>();
        this.#sent.push({ apply: () => coord.commit(commit), answer });
        return answer.promise;
      });
    this.#family = await runningFamily(fleet, 3, { holder: hold, runner: hold });
    this.#claim = this.#family.parent;
    this.#isHolding = true;
  }

  async act(next: Step): Promise<void> {
    switch (next.kind) {
      case 'look':
        unwatched(this.#lookAtTaskJobs());
        break;
      case 'wait':
        unwatched(this.#wait());
        break;
      case 'claim':
        unwatched(this.#claimAgain());
        break;
      case 'sweep':
        unwatched(tellOfEndedTaskJobs(this.#own.board.parts));
        break;
      case 'dies':
        // What was to be sent after these is never sent.
        for (const { answer } of this.#sent) answer.reject(new OutcomeUnknownError('crashed'));
        break;
      case 'end':
        unwatched(this.#end(next.which));
        break;
      case 'deliver':
        await this.#deliver(next);
        break;
      default:
        next satisfies never;
    }
    await settle();
  }

  /** Everything arrives; the upkeep does its part. What waits then has missed nothing. */
  async finish(): Promise<void> {
    while (this.#sent.length > 0) await this.act({ kind: 'deliver', which: 0, answers: true });
    this.#isHolding = false;
    await tellOfEndedTaskJobs(this.#own.board.parts);
    const { state } = await parentOf(this.#own);
    if (state !== 'waiting') return;
    const states = await this.#own.holder.member.readTaskJobs(this.#names);
    const missed = states.filter(
      ({ id, state: is }) => is !== 'missing' && isFinal(is) && !this.#waitedBy.has(id),
    );
    expect(missed).toEqual([]);
    expect(await notes(this.#own)).toBe(0);
  }

  get #own(): RunningFamily {
    if (!this.#family) throw new Error('not begun');
    return this.#family;
  }

  get #names(): readonly { readonly id: JobId; readonly task: string }[] {
    return this.#own.taskJobs.map((id, index) => ({ id, task: `task-${index}` }));
  }

  async #lookAtTaskJobs(): Promise<void> {
    const claim = this.#claim;
    const { member } = this.#own.holder;
    if (!claim) return;
    const { control } = await member.readNews(claim, { after: 0 });
    const states = await member.readTaskJobs(this.#names);
    const ended = states.filter(({ state }) => state !== 'missing' && isFinal(state));
    if (this.#claim !== claim) return;
    this.#look = {
      taskEndsSeen: control?.taskEnds ?? 0,
      ended: new Set(ended.map(({ id }) => id)),
    };
  }

  async #wait(): Promise<void> {
    const claim = this.#claim;
    const look = this.#look;
    if (!claim || !look) return;
    this.#claim = undefined;
    this.#look = undefined;
    this.#waitedBy = look.ended;
    await this.#own.holder.member.wait(claim, { ...WAIT, taskEndsSeen: look.taskEndsSeen });
  }

  async #claimAgain(): Promise<void> {
    if (this.#claim) return;
    const [claim] = await this.#own.holder.member.claim({ limit: 1 });
    this.#claim ??= claim;
  }

  async #end(which: number): Promise<void> {
    const claim = this.#own.claims[which];
    if (!claim || this.#ended.has(which)) return;
    this.#ended.add(which);
    await succeed(this.#own.runner, claim);
  }

  async #deliver({ which, answers }: { readonly which: number; readonly answers: boolean }) {
    const [sent] = this.#sent.splice(which % Math.max(1, this.#sent.length), 1);
    if (!sent) return;
    const result = await sent.apply();
    if (answers) sent.answer.resolve(result);
    else sent.answer.reject(new OutcomeUnknownError('the answer was lost'));
  }
}

/** What becomes of it shows in the records. */
function unwatched(work: Promise<void>): void {
  work.catch(() => undefined);
}

it('no parent waits for ever that has not seen the end of a task job, in whatever order all happens', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      await using fleet = new TestFleet();
      const race = new Race();
      await race.begin(fleet);
      for (const next of steps) await race.act(next);
      await race.finish();
    }),
    { numRuns: 300 },
  );
});
