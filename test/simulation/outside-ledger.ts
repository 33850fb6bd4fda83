// The world outside: a system that tasks have effects on. It knows a repeat by its idempotency key,
// and refuses whoever comes with an older fence than it has seen; and it judges what it sees.
//
// Checked at each call of user code:
//   G3  a task whose success was committed isn't executed by an attempt that was claimed after that.
//   G4  a try has one key, no key has two tries; an attempt's fence is the version that its claim
//       made, and grows with each attempt.
import { TerminalError } from '@holdfast/core';
import type { BoardWitness, WitnessedJob } from './board-witness.ts';
import type { History } from './history.ts';
import { GO, type Outside, type OutsideCall } from './random-flow.ts';

export class OutsideLedger {
  readonly #history: History;
  readonly #witness: BoardWitness;
  readonly #keys = new Map<string, string>();
  readonly #effects = new Map<string, number>();
  readonly #fences = new Map<string, bigint>();

  constructor(history: History, witness: BoardWitness) {
    this.#history = history;
    this.#witness = witness;
  }

  /** The ledger as one process sees it. */
  openFor(process: string): Outside {
    return {
      started: (call) => this.#started(process, call),
      effect: (call) => this.#effect(process, call),
    };
  }

  /** Every task of a job that succeeded has had its effect, and the job knows the same of it (G3). */
  checkSucceeded(job: WitnessedJob): void {
    for (const [name, { record }] of job.atoms) {
      if (record.state !== 'success') {
        this.#history.violate('G3', `job ${job.id} succeeded, but task ${name} is ${record.state}`);
        continue;
      }
      // A retry controller has no effect outside.
      if (record.rounds.length > 0) continue;
      if (record.signal !== undefined) {
        // A wait calls no user code: what it knows is the signal that it took.
        if (job.signals.get(record.signal) === GO) continue;
        this.#history.violate('S', `task ${name} of job ${job.id} took a signal that is not there`);
      }
      const key = `${job.id}/${name}/${record.tries}`;
      const effect = this.#effects.get(key);
      const known = record.result && readNumber(record.result.data);
      if (effect === undefined || (known !== undefined && known !== effect)) {
        this.#history.violate('G4', `${key} had effect ${effect}, but the job knows ${known}`);
      }
    }
  }

  #started(process: string, call: OutsideCall): void {
    const { ctx, kind } = call;
    const { jobId, task, idempotencyKey, attempt, fence } = ctx;
    this.#history.count(kind === 'execute' ? 'executions' : 'reverts');
    this.#history.note(
      process,
      `calls ${kind} ${idempotencyKey} attempt ${attempt} fence ${fence}`,
    );
    const owner = `${jobId}/${task}/${kind}/${ctx.try}`;
    const known = this.#keys.get(idempotencyKey) ?? owner;
    this.#keys.set(idempotencyKey, known);
    if (known !== owner)
      this.#history.violate('G4', `${idempotencyKey} is the key of ${known} and ${owner}`);
    const job = this.#witness.jobs.get(jobId);
    const claim = job?.claims.get(attempt);
    if (!job || !claim || claim.fence !== fence) {
      this.#history.violate('G4', `${idempotencyKey}: attempt ${attempt} runs with fence ${fence}`);
      return;
    }
    const earlier = job.claims.get(attempt - 1);
    if (earlier && earlier.fence >= fence) {
      this.#history.violate('G4', `job ${jobId}: fence ${fence} follows ${earlier.fence}`);
    }
    if (kind === 'execute') this.#checkExecution(job, call, claim.commit);
  }

  #checkExecution(job: WitnessedJob, { ctx }: OutsideCall, claimedAt: number): void {
    const atom = job.atoms.get(ctx.task);
    const what = `task ${ctx.task} of job ${job.id}, try ${ctx.try}, attempt ${ctx.attempt}`;
    if (atom?.record.state === 'success' && atom.commit < claimedAt) {
      this.#history.violate('G3', `${what} runs although its success was committed before`);
    }
    const isCurrent = job.status?.phase.kind === 'running' && job.status.attempt === ctx.attempt;
    if (!isCurrent) return;
    const { state, tries } = atom?.record ?? { state: 'pending', tries: 0 };
    const expected = state === 'running' ? tries : tries + 1;
    if (expected !== ctx.try) {
      this.#history.violate('G4', `${what} runs, but try ${tries} is ${state}`);
    }
  }

  #effect(process: string, { kind, ctx }: OutsideCall): number {
    const { jobId, idempotencyKey, fence } = ctx;
    const newest = this.#fences.get(jobId) ?? 0n;
    if (fence < newest) {
      this.#history.count('zombies refused outside');
      this.#history.note(process, `is refused outside: ${kind} ${idempotencyKey}`);
      throw new TerminalError(`fence ${fence} was superseded by ${newest}`);
    }
    this.#fences.set(jobId, fence);
    const known = this.#effects.get(idempotencyKey);
    if (known !== undefined) return known;
    const value = this.#effects.size + 1;
    this.#effects.set(idempotencyKey, value);
    this.#history.note(process, `has effect ${value}: ${kind} ${idempotencyKey}`);
    return value;
  }
}

/** The one number in a task's result; undefined when it has none. */
function readNumber(data: Uint8Array): number | undefined {
  const result: unknown = JSON.parse(Buffer.from(data).toString('utf8'));
  if (typeof result !== 'object' || result === null) return undefined;
  const number: unknown = Object.values(result)[0];
  return typeof number === 'number' ? number : undefined;
}
