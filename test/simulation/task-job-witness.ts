// Sees the task jobs in what happens at the store, and judges what ties them to their parents.
//
// Invariants checked after every single commit:
//   G2    only the attempt that holds the parent posts a task job, in the commit that says so in the
//         parent's record; and not while another is there for the same try.
//   ends  whatever makes a task job final leaves a note for its parent in the same commit; notes are
//         removed only by who counts them, or where the parent is over; no parent waits for a task job
//         that has ended and of which it was told.
//   states  a task job is cancelled only when somebody wants it, or nobody waits for it any more.
import { isFinal, type JobStatus } from '@holdfast/core';
import { APPROVAL_FLOW } from './fixed-flows.ts';
import type { Complain } from './job-rules.ts';
import type { WitnessedJob } from './witnessed-job.ts';

/** A key that a commit has changed; without a value it is gone. */
interface Change {
  readonly key: string;
  readonly value: Uint8Array | undefined;
}

/** One commit, as it has left things. */
export interface JudgedCommit {
  readonly number: number;
  readonly changes: readonly Change[];
  /** The jobs whose records it has changed, with what held of them before. */
  readonly touched: ReadonlyMap<
    WitnessedJob,
    { readonly status: JobStatus | undefined; readonly taskEnds: number }
  >;
  readonly writerIds: ReadonlySet<string>;
}

/** See the head of this file. */
export class TaskJobWitness {
  readonly #jobs: ReadonlyMap<string, WitnessedJob>;
  readonly #complain: Complain;
  readonly #byParent = new Map<string, WitnessedJob[]>();
  /** `taskjobs/` keys, and where they lead. */
  readonly #leads = new Map<string, string>();
  /** Keys of notes, and the commits that wrote them. */
  readonly #notes = new Map<string, number>();
  /** The last commit before or after which a job was final. */
  readonly #overAt = new Map<string, number>();

  constructor(jobs: ReadonlyMap<string, WitnessedJob>, complain: Complain) {
    this.#jobs = jobs;
    this.#complain = complain;
  }

  /** All that were ever posted for this parent. */
  taskJobsOf(parent: string): readonly WitnessedJob[] {
    return this.#byParent.get(parent) ?? [];
  }

  /** What nobody will ever look for: notes, and what is left of parents that are gone. */
  remains(): readonly string[] {
    const isGone = (parent: string): boolean => this.#jobs.get(parent)?.isGone ?? true;
    return [
      ...this.#notes.keys(),
      ...[...this.#leads.keys()].filter((key) => isGone(partOf(key, 1))),
      ...[...this.#byParent].flatMap(([parent, jobs]) =>
        isGone(parent) ? jobs.filter((job) => !job.isGone).map(({ id }) => `spec/${id}`) : [],
      ),
    ];
  }

  judge(commit: JudgedCommit): void {
    const concerned = new Set<WitnessedJob>();
    for (const [job, { status: before }] of commit.touched) {
      const { status, spec } = job;
      const isOver = [before, status].some((each) => each && isFinal(each.phase.kind));
      if (isOver) this.#overAt.set(job.id, commit.number);
      const parent = this.#jobs.get(spec?.remoteTask?.parentId ?? job.id);
      if (parent) concerned.add(parent);
    }
    for (const change of commit.changes) {
      const kind = partOf(change.key, 0);
      if (kind === 'spec' && change.value) this.#checkPost(change.key, commit);
      if (kind === 'taskends' || kind === 'taskjobs') {
        const parent = this.#jobs.get(partOf(change.key, 1));
        if (parent) concerned.add(parent);
      }
    }
    this.#seeLeads(commit.changes);
    this.#seeNotes(commit);
    for (const [job, { status }] of commit.touched) this.#checkEnd(job, status, commit);
    for (const parent of concerned) this.#checkWait(parent);
  }

  /** G2. */
  #checkPost(key: string, { changes, number, writerIds }: JudgedCommit): void {
    const job = this.#jobs.get(partOf(key, 1));
    const remote = job?.spec?.remoteTask;
    if (!job || !remote) return;
    const { parentId, task, intention } = remote;
    this.#byParent.set(parentId, [...this.taskJobsOf(parentId), job]);
    const what = `task job ${job.id} for ${parentId}/${task}`;
    const parent = this.#jobs.get(parentId);
    const phase = parent?.status?.phase;
    if (phase?.kind !== 'running' || !writerIds.has(phase.worker)) {
      this.#complain('G2', `${what} was posted by a process that does not hold the parent`);
    }
    const atom = parent?.atoms.get(task);
    const state = intention === 'execute' ? 'running' : 'reverting';
    const isNamed = atom?.record.taskJob === job.id && atom.record.state === state;
    if (!isNamed || atom.commit !== number)
      this.#complain('G2', `${what}: its parent's record does not name it`);
    const lead = changes.find(
      (each) => each.key.startsWith('taskjobs/') && each.value && textOf(each.value) === job.id,
    );
    if (!lead) return this.#complain('G7', `${what}: no key leads to it`);
    const earlier = this.#jobs.get(this.#leads.get(lead.key) ?? '');
    const isLeft = !earlier || earlier.isGone || earlier.status?.phase.kind === 'cancelled';
    if (!isLeft) {
      const is = earlier.status?.phase.kind;
      this.#complain('G2', `${what} was posted although ${earlier.id} is ${is}`);
    }
  }

  #seeLeads(changes: readonly Change[]): void {
    const left = new Set<string>();
    for (const { key, value } of changes) {
      if (!key.startsWith('taskjobs/')) continue;
      const before = this.#leads.get(key);
      if (before !== undefined) left.add(before);
      if (value) this.#leads.set(key, textOf(value));
      else this.#leads.delete(key);
    }
    if (left.size === 0) return;
    const led = new Set(this.#leads.values());
    for (const id of left) {
      const isThere = this.#jobs.get(id)?.isGone === false;
      if (isThere && !led.has(id)) this.#complain('G7', `no key leads to task job ${id} any more`);
    }
  }

  /** A parent that was over since has nothing to be told. */
  #seeNotes({ changes, touched, number }: JudgedCommit): void {
    const told = new Map<string, number>();
    for (const { key, value } of changes) {
      if (!key.startsWith('taskends/')) continue;
      const writtenAt = this.#notes.get(key);
      if (value) this.#notes.set(key, number);
      else if (writtenAt !== undefined) {
        this.#notes.delete(key);
        const parent = partOf(key, 1);
        if (!this.#wasOverSince(parent, writtenAt)) told.set(parent, (told.get(parent) ?? 0) + 1);
      }
    }
    for (const [id, ends] of told) {
      const parent = this.#jobs.get(id);
      const before = parent && touched.get(parent);
      const counted = parent && before ? parent.taskEnds - before.taskEnds : 0;
      if (counted < ends)
        this.#complain('ends', `job ${id}: ${ends} ends are told, ${counted} counted`);
    }
  }

  #checkEnd(job: WitnessedJob, before: JobStatus | undefined, commit: JudgedCommit): void {
    const { spec, status, isGone } = job;
    const remote = spec?.remoteTask;
    if (!remote || !status || isGone || !isFinal(status.phase.kind)) return;
    if (!before || isFinal(before.phase.kind)) return;
    const note = `taskends/${remote.parentId}/${job.id}`;
    if (this.#notes.get(note) !== commit.number) {
      this.#complain('ends', `task job ${job.id} has ended, and nothing says so to its parent`);
    }
    if (status.phase.kind !== 'cancelled' || job.wanted === 'cancel') return;
    const parent = this.#jobs.get(remote.parentId);
    const claimedAt = job.claims.get(status.attempt)?.commit ?? 0;
    const isOther = parent?.status?.flowVersion !== remote.flowVersion;
    if (!isOther && !this.#wasOverSince(remote.parentId, claimedAt))
      this.#complain('states', `task job ${job.id} is cancelled, and nobody wanted that`);
  }

  /** Whether a job is over, or was at some time since this commit. */
  #wasOverSince(id: string, commit: number): boolean {
    const job = this.#jobs.get(id);
    const isOver = !job?.status || job.isGone || isFinal(job.status.phase.kind);
    return isOver || (this.#overAt.get(id) ?? -1) >= commit;
  }

  /** Whatever a job waits for elsewhere goes on, or is yet to be told. */
  #checkWait(parent: WitnessedJob): void {
    const { id, status, spec, isGone, atoms, wanted } = parent;
    if (isGone || status?.phase.kind !== 'waiting') return;
    let elsewhere = 0;
    for (const { record } of atoms.values()) {
      const { taskJob, state, name } = record;
      if (taskJob === undefined || (state !== 'running' && state !== 'reverting')) continue;
      if (record.nextAtUnixMs !== undefined) continue;
      elsewhere += 1;
      const job = this.#jobs.get(taskJob);
      const goesOn = job?.status && !job.isGone && !isFinal(job.status.phase.kind);
      if (goesOn || this.#notes.has(`taskends/${id}/${taskJob}`)) continue;
      const is = job?.isGone ? 'gone' : job?.status?.phase.kind;
      this.#complain(
        'ends',
        `job ${id} waits for task ${name}, whose task job ${taskJob} is ${is}`,
      );
    }
    // One that is to be reverted waits for no signal any more.
    if (elsewhere > 0 || (spec?.flow === APPROVAL_FLOW && wanted !== 'revert')) return;
    this.#complain('ends', `job ${id} waits, and for nothing`);
  }
}

function partOf(key: string, index: number): string {
  return key.split('/')[index] ?? '';
}

function textOf(value: Uint8Array): string {
  return Buffer.from(value).toString('utf8');
}
