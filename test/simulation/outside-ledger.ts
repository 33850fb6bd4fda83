// The world outside: a system that tasks have effects on. It knows a repeat by its idempotency key,
// and refuses whoever comes with an older fence than it has seen; and it judges what it sees. A remote
// task comes with its parent's id and key, but with the fence and the attempt of its task job.
//
// Checked at each call of user code:
//   G3  a task whose success was committed isn't executed by an attempt that was claimed after that.
//   G4  a try has one key, no key has two tries, and one job runs it; an attempt's fence is the version
//       that its claim made, and grows with each attempt.
//   states  what a choice or a decider keeps from running isn't run.
import { TerminalError } from '@holdfast/core';
import type { BoardWitness } from './board-witness.ts';
import { GO } from './fixed-flows.ts';
import type { History } from './history.ts';
import type { Outside, OutsideCall } from './random-flow.ts';
import { natureOf } from './task-names.ts';
import type { WitnessedJob } from './witnessed-job.ts';

/** The claim under which user code is called, and the job that was claimed: of a remote task, its task job. */
interface Caller {
  readonly job: WitnessedJob;
  readonly claim: { readonly commit: number };
}

export class OutsideLedger {
  readonly #history: History;
  readonly #witness: BoardWitness;
  /** By flow, the tasks that a job has done when it succeeds. */
  readonly #tasks: ReadonlyMap<string, readonly string[]>;
  readonly #keys = new Map<string, string>();
  readonly #effects = new Map<string, number>();
  readonly #fences = new Map<string, bigint>();
  /** By key, the job that has run the try last. */
  readonly #runners = new Map<string, WitnessedJob>();

  constructor(
    history: History,
    witness: BoardWitness,
    tasks: ReadonlyMap<string, readonly string[]>,
  ) {
    this.#history = history;
    this.#witness = witness;
    this.#tasks = tasks;
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
    const remote = job.spec?.remoteTask;
    if (remote) return this.#checkTaskJob(job, remote);
    for (const name of this.#tasks.get(job.spec?.flow ?? '') ?? []) {
      if (!job.atoms.has(name))
        this.#history.violate('G3', `job ${job.id} succeeded without its task ${name}`);
    }
    for (const name of job.atoms.keys()) this.#checkDone(job, name);
  }

  /** A task job that succeeded has done what it was for. */
  #checkTaskJob(
    job: WitnessedJob,
    { task, parentId, intention }: NonNullable<NonNullable<WitnessedJob['spec']>['remoteTask']>,
  ): void {
    const record = job.atoms.get(task)?.record;
    const wanted = intention === 'execute' ? 'success' : 'reverted';
    if (record?.state !== wanted) {
      const text = `task job ${job.id} succeeded, but task ${task} is ${record?.state}, not ${wanted}`;
      this.#history.violate('G3', text);
    } else if (intention === 'execute') this.#checkEffect(parentId, record);
  }

  #checkDone(job: WitnessedJob, name: string): void {
    const record = job.atoms.get(name)?.record;
    if (!record) return;
    const { isKeptOut, hasEffect } = natureOf(name);
    const { state, signal } = record;
    if (isKeptOut) {
      if (state !== 'ignore' && state !== 'pending')
        this.#history.violate('states', `job ${job.id} succeeded, and ${name} is ${state}`);
    } else if (state !== 'success') {
      this.#history.violate('G3', `job ${job.id} succeeded, but task ${name} is ${state}`);
    } else if (hasEffect) this.#checkEffect(job.id, record);
    else if (signal !== undefined && job.signals.get(signal) !== GO)
      // A wait calls no user code: what it knows is the signal that it took.
      this.#history.violate('S', `task ${name} of job ${job.id} took a signal that is not there`);
  }

  #checkEffect(
    jobId: string,
    {
      name,
      tries,
      result,
    }: { name: string; tries: number; result?: { data: Uint8Array } | undefined },
  ): void {
    const key = `${jobId}/${name}/${tries}`;
    const effect = this.#effects.get(key);
    const known = result && readNumber(result.data);
    if (effect === undefined || (known !== undefined && known !== effect)) {
      this.#history.violate('G4', `${key} had effect ${effect}, but the job knows ${known}`);
    }
  }

  #started(process: string, call: OutsideCall): void {
    const { ctx, kind } = call;
    const { jobId, task, idempotencyKey, attempt, fence } = ctx;
    const { isRemote, isKeptOut } = natureOf(task);
    this.#history.count(
      `${isRemote ? 'remote ' : ''}${kind === 'execute' ? 'executions' : 'reverts'}`,
    );
    this.#history.note(
      process,
      `calls ${kind} ${idempotencyKey} attempt ${attempt} fence ${fence}`,
    );
    if (isKeptOut) this.#history.violate('states', `${idempotencyKey} was to be passed over`);
    const owner = `${jobId}/${task}/${kind}/${ctx.try}`;
    const known = this.#keys.get(idempotencyKey) ?? owner;
    this.#keys.set(idempotencyKey, known);
    if (known !== owner)
      this.#history.violate('G4', `${idempotencyKey} is the key of ${known} and ${owner}`);
    const caller = this.#callerOf(call);
    if (!caller) {
      this.#history.violate('G4', `${idempotencyKey}: attempt ${attempt} runs with fence ${fence}`);
      return;
    }
    const { job, claim } = caller;
    const earlier = job.claims.get(attempt - 1);
    const before = earlier && earlier.fence + (job.spec?.remoteTask?.fenceBase ?? 0n);
    if (before !== undefined && before >= fence) {
      this.#history.violate('G4', `job ${job.id}: fence ${fence} follows ${before}`);
    }
    // A superseded attempt that has not noticed may have begun a try of which nobody knows; its fence tells.
    const isCurrent = job.status?.phase.kind === 'running' && job.status.attempt === attempt;
    if (isCurrent) this.#checkRunner(idempotencyKey, job);
    if (kind === 'execute') this.#checkExecution(job, call, claim.commit);
  }

  /** Whose attempt it is: the job's own, or for a remote task one of a task job for just this. */
  #callerOf({ kind, ctx }: OutsideCall): Caller | undefined {
    const { jobId, task, attempt, fence } = ctx;
    const own = this.#witness.jobs.get(jobId);
    const jobs = natureOf(task).isRemote
      ? this.#witness
          .taskJobsOf(jobId)
          .filter(
            ({ spec }) => spec?.remoteTask?.task === task && spec.remoteTask.intention === kind,
          )
      : own
        ? [own]
        : [];
    for (const job of jobs) {
      const claim = job.claims.get(attempt);
      const base = job.spec?.remoteTask?.fenceBase ?? 0n;
      if (claim && claim.fence + base === fence) return { job, claim };
    }
    return undefined;
  }

  /** Another task job runs a try only where the first one is cancelled, or belongs to another version. */
  #checkRunner(key: string, job: WitnessedJob): void {
    const before = this.#runners.get(key);
    this.#runners.set(key, job);
    if (!before || before === job) return;
    const isOver = before.isGone || before.status?.phase.kind === 'cancelled';
    const version = job.spec?.remoteTask?.flowVersion;
    if (isOver || before.spec?.remoteTask?.flowVersion !== version) return;
    const state = before.status?.phase.kind;
    this.#history.violate('G4', `${key} is run by ${job.id}, although ${before.id} is ${state}`);
  }

  #checkExecution(job: WitnessedJob, { ctx }: OutsideCall, claimedAt: number): void {
    const remote = job.spec?.remoteTask;
    const parent = remote && this.#witness.jobs.get(remote.parentId);
    const atom = job.atoms.get(ctx.task);
    const what = `task ${ctx.task} of job ${job.id}, try ${ctx.try}, attempt ${ctx.attempt}`;
    for (const known of [atom, parent?.atoms.get(ctx.task)]) {
      if (known?.record.state === 'success' && known.commit < claimedAt) {
        this.#history.violate('G3', `${what} runs although its success was committed before`);
      }
    }
    if (remote) this.#checkSiblings(job, { ctx, claimedAt, what });
    const isCurrent = job.status?.phase.kind === 'running' && job.status.attempt === ctx.attempt;
    if (!isCurrent) return;
    // A task job goes on where its parent's record stood.
    const { state, tries } = atom?.record ?? remote?.atom ?? { state: 'pending', tries: 0 };
    const expected = state === 'running' ? tries : tries + 1;
    if (expected !== ctx.try) {
      this.#history.violate('G4', `${what} runs, but try ${tries} is ${state}`);
    }
  }

  /** A success counts whatever became of the task job that had it, and whatever version of the flow ran it. */
  #checkSiblings(
    job: WitnessedJob,
    { ctx, claimedAt, what }: { ctx: OutsideCall['ctx']; claimedAt: number; what: string },
  ): void {
    for (const other of this.#witness.taskJobsOf(ctx.jobId)) {
      const known = other.atoms.get(ctx.task);
      if (other === job || other.isGone || known?.record.state !== 'success') continue;
      if (other.spec?.remoteTask?.intention !== 'execute' || known.record.tries !== ctx.try)
        continue;
      if (known.commit < claimedAt)
        this.#history.violate('G3', `${what} runs although task job ${other.id} has done it`);
    }
  }

  #effect(process: string, { kind, ctx }: OutsideCall): number {
    const { jobId, task, idempotencyKey, fence } = ctx;
    // A remote task's fence is its task job's, so only those of one task can be compared.
    const fenced = natureOf(task).isRemote ? `${jobId}/${task}` : jobId;
    const newest = this.#fences.get(fenced) ?? 0n;
    if (fence < newest) {
      this.#history.count('zombies refused outside');
      this.#history.note(process, `is refused outside: ${kind} ${idempotencyKey}`);
      throw new TerminalError(`fence ${fence} was superseded by ${newest}`);
    }
    this.#fences.set(fenced, fence);
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
