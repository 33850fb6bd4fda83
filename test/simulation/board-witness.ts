// Stands at the store and sees every commit that happens, in the store's own order, and whose it is.
// It keeps its own picture of every job, and judges each change by job-rules.ts: not by what any
// process believes.
//
// Invariants checked after every single commit:
//   G2  only the current attempt, by its own process, changes a job that runs; only from a dead member
//       is a job taken.
//   G6  an idempotency key leads to one job for as long as that is there.
//   G7  the index entries of a job are exactly those that its status implies, its bucket is listed, and
//       its worker can be found.
//   S   the signals of a job are numbered without a gap and counted, stay as they are while the job is
//       there, and no job waits that has received what it waits for.
//   G8  no worker lists more of the ready index than one bucket.
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Commit, CommitResult, Key, ListRange, MemoryStore } from '@holdfast/coord';
import type { JobStatus } from '@holdfast/core';
import { isFinal } from '@holdfast/core';
import {
  decodeAtom,
  decodeJobControl,
  decodeJobSignal,
  decodeJobSpec,
  decodeJobStatus,
} from '@holdfast/wire';
import { APPROVAL_FLOW, GO, WAIT } from './fixed-flows.ts';
import type { History } from './history.ts';
import { IndexWitness } from './index-witness.ts';
import { judgeCheckpoint, judgeTransition, type Wanted } from './job-rules.ts';
import type { StoreWitness } from './simulated-coord.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { TaskJobWitness } from './task-job-witness.ts';
import {
  type Change,
  createWitnessedJob,
  jobIdOf,
  lastPart,
  setTo,
  type WitnessedJob,
} from './witnessed-job.ts';

export interface BoardWitnessParts {
  readonly store: MemoryStore;
  readonly history: History;
  readonly nowMs: () => number;
  /** Whether jobs of an earlier version of their flow may go on with a later one. */
  readonly continues: boolean;
  /** Told when a job has succeeded, after everything of the commit was seen. */
  readonly succeeded: (job: WitnessedJob) => void;
}

/** See the head of this file. */
export class BoardWitness implements StoreWitness {
  readonly jobs: Map<string, WitnessedJob> = new Map();
  readonly #parts: BoardWitnessParts;
  /** Kept apart, because it is asked for after every event of a calm. */
  readonly #unfinished = new Set<WitnessedJob>();
  readonly #index: IndexWitness;
  readonly #taskJobs: TaskJobWitness;
  #writer: SimulatedProcess | undefined;
  #commits = 0;

  constructor(parts: BoardWitnessParts) {
    this.#parts = parts;
    const complain = (promise: string, text: string): void => this.#complain(promise, text);
    this.#index = new IndexWitness({ jobs: this.jobs, complain });
    this.#taskJobs = new TaskJobWitness(this.jobs, complain);
    parts.store.subscribe((keys) => this.#changed(keys));
  }

  /** Commits so far. */
  get commits(): number {
    return this.#commits;
  }

  isLive(worker: string): boolean {
    return this.#index.isLive(worker);
  }

  /** Jobs that are neither final nor gone. */
  unfinished(): readonly WitnessedJob[] {
    return [...this.#unfinished];
  }

  /** All task jobs that were ever posted for this job. */
  taskJobsOf(parent: string): readonly WitnessedJob[] {
    return this.#taskJobs.taskJobsOf(parent);
  }

  /** What belongs to jobs that are gone: checkpoints, signals, task jobs. */
  remains(): readonly string[] {
    const gone = [...this.jobs.values()].filter(({ isGone }) => isGone);
    const records = gone.flatMap(({ id, atoms, signals, signalKeys }) => [
      ...[...atoms.keys()].map((name) => `atoms/${id}/${name}`),
      ...[...signals.keys()].map((seq) => `signals/${id}/${seq}`),
      ...signalKeys,
    ]);
    return [...records, ...this.#taskJobs.remains()];
  }

  async during(
    process: SimulatedProcess,
    commit: Commit,
    apply: () => Promise<CommitResult>,
  ): Promise<CommitResult> {
    this.#writer = process;
    for (const write of commit.write) {
      const isOwn = write.kind === 'put' && write.session && write.key.startsWith('workers/');
      if (isOwn) process.memberIds.add(lastPart(write.key));
    }
    try {
      const result = await apply();
      if (!result.committed) {
        const { kind, key } = result.failedGuard;
        this.#parts.history.note(process.name, `was refused: ${kind} ${key}`);
      }
      return result;
    } finally {
      this.#writer = undefined;
    }
  }

  /** G8. */
  listed(process: SimulatedProcess, { prefix }: ListRange): void {
    if (!prefix.startsWith('ready/') || process.kind !== 'worker') return;
    this.#index.ranged(process.name, prefix);
  }

  #changed(keys: readonly Key[]): void {
    this.#commits += 1;
    const entries = this.#parts.store.get(keys);
    const changes = keys.map((key): Change => {
      const entry = entries.get(key);
      return { key, value: entry?.value, version: entry?.version ?? 0n };
    });
    this.#note(changes);
    const touched = new Set<WitnessedJob>();
    const succeeded: WitnessedJob[] = [];
    const statusesBefore = new Map<WitnessedJob, Before>();
    // Everything is judged by what held before the commit that carries it.
    for (const change of changes) {
      const job = this.#jobOf(change.key);
      if (!job) continue;
      touched.add(job);
      const before = statusesBefore.get(job) ?? {
        status: job.status,
        wanted: job.wanted,
        taskEnds: job.taskEnds,
        isTold: false,
      };
      const isTold = before.isTold || change.key.startsWith('control/');
      statusesBefore.set(job, { ...before, isTold });
    }
    for (const change of changes) this.#see(change, statusesBefore, succeeded);
    for (const job of touched) {
      this.#index.checkEntries(job);
      this.#checkSignals(job);
    }
    this.#index.checkFleet(changes);
    this.#taskJobs.judge({
      number: this.#commits,
      changes,
      touched: statusesBefore,
      writerIds: this.#writer?.memberIds ?? new Set(),
    });
    for (const job of succeeded) this.#parts.succeeded(job);
  }

  /** What the hash of the history is over. Records of processes name the machine, so only their keys count. */
  #note(changes: readonly Change[]): void {
    const digest = createHash('sha256');
    for (const { key, value } of changes) {
      digest.update(key).update(value ? '=' : '-');
      const isOfProcess = key.startsWith('workers/') || key.startsWith('members/');
      if (value && !isOfProcess) digest.update(value);
    }
    const text = changes.map(({ key, value }) => `${value ? '' : '−'}${key}`).join(' ');
    const writer = this.#writer?.name ?? 'the store';
    this.#parts.history.note(writer, `${text} #${digest.digest('hex').slice(0, 12)}`);
  }

  #see(
    { key, value, version }: Change,
    before: ReadonlyMap<WitnessedJob, Before>,
    succeeded: WitnessedJob[],
  ): void {
    const [kind = ''] = key.split('/', 1);
    const job = this.#jobOf(key);
    this.#index.see({ key, value, version }, job);
    if (!job) return;
    if (kind === 'spec') this.#seeSpec(job, value);
    else if (kind === 'status')
      this.#seeStatus(job, { key, value, version }, { succeeded, before: before.get(job) });
    else if (kind === 'atoms') this.#seeAtom(job, { key, value, version }, before.get(job)?.status);
    else if (kind === 'control') this.#seeControl(job, value);
    else if (kind === 'signals') this.#seeSignal(job, key, value);
    else if (kind === 'signalkeys') setTo(job.signalKeys, key, value !== undefined);
    if (kind !== 'status' && !this.#writer) this.#complain('G7', `${key} changed by itself`);
  }

  #seeSpec(job: WitnessedJob, value: Uint8Array | undefined): void {
    if (!value) return;
    if (job.spec) this.#complain('G7', `job ${job.id}: its spec was written again`);
    job.spec = decodeJobSpec(value);
    this.#parts.history.count(job.spec.remoteTask ? 'task jobs' : 'jobs');
    if (job.spec.labels['bad'] !== undefined) {
      this.#complain('G9', `job ${job.id} was stored although its input is bad`);
    }
  }

  #seeControl(job: WitnessedJob, value: Uint8Array | undefined): void {
    if (!value) {
      if (job.status && !job.isGone && !isFinal(job.status.phase.kind))
        this.#complain('states', `job ${job.id}: what was asked of it was forgotten`);
      return;
    }
    const { wish, signals, taskEnds } = decodeJobControl(value);
    job.wanted = WANTED[wish];
    job.signalsCounted = signals;
    job.taskEnds = taskEnds;
  }

  #seeSignal(job: WitnessedJob, key: string, value: Uint8Array | undefined): void {
    const seq = Number(lastPart(key));
    if (!value) {
      if (!job.isGone) this.#complain('S', `${key} was removed although its job is there`);
      job.signals.delete(seq);
      return;
    }
    const signal = decodeJobSignal(value);
    const isNext = seq === job.signals.size + 1 && signal.seq === seq;
    if (!isNext) this.#complain('S', `${key} follows ${job.signals.size} signals`);
    if (!job.status || isFinal(job.status.phase.kind))
      this.#complain('S', `${key} was sent to a job that has ended`);
    job.signals.set(seq, signal.name);
    this.#parts.history.count('signals');
  }

  /** S. */
  #checkSignals(job: WitnessedJob): void {
    const { id, spec, status, signals, signalsCounted, isGone, atoms } = job;
    if (isGone || !status) return;
    if (signals.size !== signalsCounted) {
      this.#complain('S', `job ${id} has ${signals.size} signals, but counts ${signalsCounted}`);
    }
    const isWaiting = status.phase.kind === 'waiting' && spec?.flow === APPROVAL_FLOW;
    // One that has taken it, or is being reverted, waits for a remote task.
    const isBeyond = [...atoms.values()].some(
      ({ record: { name, state, intention } }) =>
        intention === 'revert' || (name === WAIT && state === 'success'),
    );
    if (isWaiting && !isBeyond && [...signals.values()].includes(GO)) {
      this.#complain('S', `job ${id} waits although it has received what it waits for`);
    }
  }

  #seeStatus(
    job: WitnessedJob,
    { value, version }: Change,
    seen: { readonly succeeded: WitnessedJob[]; readonly before: Before | undefined },
  ): void {
    const before = job.status;
    if (!value) {
      job.isGone = true;
      this.#unfinished.delete(job);
      const { remoteTask } = job.spec ?? {};
      const goesAlong = remoteTask && this.jobs.get(remoteTask.parentId)?.isGone;
      if (before && !isFinal(before.phase.kind) && !goesAlong) {
        this.#complain('G1', `job ${job.id} was removed while it was ${before.phase.kind}`);
      }
      return;
    }
    const after = decodeJobStatus(value);
    job.status = after;
    job.version = version;
    setTo(this.#unfinished, job, !isFinal(after.phase.kind));
    const isSame = before !== undefined && isDeepStrictEqual(before, after);
    const isRenewal = isSame && after.phase.kind === 'running';
    // A ready job that is told something refuses claims that have not seen it.
    const isTouched = isSame && after.phase.kind === 'ready' && seen.before?.isTold === true;
    // A revival writes the status of a job that is over as it is, so that nothing is decided meanwhile.
    const isHeld = isSame && isFinal(after.phase.kind);
    if (isRenewal) this.#seeRenewal(job, after);
    else if (isHeld) return;
    else if (isTouched) this.#parts.history.count('ready jobs told');
    else if (before && job.spec) {
      judgeTransition([before, after], job.spec, {
        facts: {
          writerIds: this.#writer?.memberIds ?? new Set(),
          isLive: (worker) => this.#index.isLive(worker),
          wanted: seen.before?.wanted ?? 'nothing',
          continues: this.#parts.continues,
        },
        complain: (promise, text) => this.#complain(promise, text),
      });
    }
    if (after.phase.kind === 'running' && !isRenewal) {
      const claim = { commit: this.#commits, fence: version, atMs: this.#parts.nowMs() };
      job.claims.set(after.attempt, claim);
      this.#parts.history.count('attempts');
    }
    if (isFinal(after.phase.kind) && !job.spec?.remoteTask)
      this.#parts.history.count(`ended ${after.phase.kind}`);
    if (after.phase.kind === 'succeeded') seen.succeeded.push(job);
    if (after.phase.kind === 'suspended') this.#parts.history.count('suspended');
    if (after.phase.kind === 'waiting') this.#parts.history.count('came to wait');
    const last = after.attempts.at(-1);
    if (last?.end === 'lost' && before?.phase.kind === 'running')
      this.#parts.history.count('takeovers');
  }

  /** An attempt may move its fence, so that its own late writes are refused; nothing else changes by it. */
  #seeRenewal(job: WitnessedJob, { phase }: JobStatus): void {
    const isOwn = phase.kind === 'running' && this.#writer?.memberIds.has(phase.worker);
    if (!isOwn)
      this.#complain('G2', `job ${job.id}: its fence was moved by a process that does not hold it`);
    this.#parts.history.count('fences moved');
  }

  #seeAtom(job: WitnessedJob, { key, value }: Change, status: JobStatus | undefined): void {
    const name = lastPart(key);
    if (!value) {
      if (!job.isGone) this.#complain('G3', `${key} was removed although its job is there`);
      job.atoms.delete(name);
      return;
    }
    const record = decodeAtom(value);
    if (!status || job.isGone) this.#complain('G2', `${key} was written although there is no job`);
    else {
      judgeCheckpoint([job.atoms.get(name)?.record, record], status, {
        writerIds: this.#writer?.memberIds ?? new Set(),
        complain: (promise, text) => this.#complain(promise, text),
      });
    }
    job.atoms.set(name, { record, commit: this.#commits });
  }

  #jobOf(key: string): WitnessedJob | undefined {
    const id = jobIdOf(key);
    if (id === undefined) return undefined;
    const job = this.jobs.get(id) ?? createWitnessedJob(id);
    this.jobs.set(id, job);
    return job;
  }

  #complain(promise: string, text: string): void {
    this.#parts.history.violate(promise, `${text} (by ${this.#writer?.name ?? 'the store'})`);
  }
}

const WANTED = {
  none: 'nothing',
  suspend: 'suspend',
  cancelWithRevert: 'revert',
  cancel: 'cancel',
} as const;

/** What held of a job before a commit, and whether the commit changes its control. */
interface Before {
  readonly status: JobStatus | undefined;
  readonly wanted: Wanted;
  readonly taskEnds: number;
  readonly isTold: boolean;
}
