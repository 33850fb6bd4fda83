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
import type { AtomRecord, JobSpec, JobStatus } from '@holdfast/core';
import { isFinal } from '@holdfast/core';
import {
  decodeAtom,
  decodeJobControl,
  decodeJobSignal,
  decodeJobSpec,
  decodeJobStatus,
} from '@holdfast/wire';
import type { History } from './history.ts';
import { impliedEntries, judgeCheckpoint, judgeTransition, type Wanted } from './job-rules.ts';
import { APPROVAL_FLOW, GO } from './random-flow.ts';
import type { StoreWitness } from './simulated-coord.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** What a bucket may hold, as the board promises. */
const BUCKET_ENTRIES_MAX = 512;

/** A job as the store's commits made it. */
export interface WitnessedJob {
  readonly id: string;
  spec: JobSpec | undefined;
  status: JobStatus | undefined;
  /** Version of the status, and the commit that wrote it. */
  version: bigint;
  readonly atoms: Map<string, { readonly record: AtomRecord; readonly commit: number }>;
  readonly entries: Set<string>;
  /** For each attempt, the commit of its claim and the fence that it made. */
  readonly claims: Map<
    number,
    { readonly commit: number; readonly fence: bigint; readonly atMs: number }
  >;
  wanted: Wanted;
  /** Signals by number, and how many its control says there are. */
  readonly signals: Map<number, string>;
  signalsCounted: number;
  /** Keys that lead to its signals. */
  readonly signalKeys: Set<string>;
  isGone: boolean;
}

interface Change {
  readonly key: Key;
  readonly value: Uint8Array | undefined;
  readonly version: bigint;
}

export interface BoardWitnessParts {
  readonly store: MemoryStore;
  readonly history: History;
  readonly nowMs: () => number;
  /** Told when a job has succeeded, after everything of the commit was seen. */
  readonly succeeded: (job: WitnessedJob) => void;
}

/** See the head of this file. */
export class BoardWitness implements StoreWitness {
  readonly jobs: Map<string, WitnessedJob> = new Map();
  readonly #parts: BoardWitnessParts;
  readonly #workers = new Set<string>();
  readonly #members = new Set<string>();
  readonly #buckets = new Map<string, number>();
  readonly #listed = new Set<string>();
  readonly #keys = new Map<string, string>();
  #writer: SimulatedProcess | undefined;
  #commits = 0;

  constructor(parts: BoardWitnessParts) {
    this.#parts = parts;
    parts.store.subscribe((keys) => this.#changed(keys));
  }

  /** Commits so far. */
  get commits(): number {
    return this.#commits;
  }

  isLive(worker: string): boolean {
    return this.#workers.has(worker);
  }

  /** Jobs that are neither final nor gone. */
  unfinished(): readonly WitnessedJob[] {
    return [...this.jobs.values()].filter(
      ({ status, isGone }) => !isGone && status !== undefined && !isFinal(status.phase.kind),
    );
  }

  /** Checkpoints and signals of jobs that are gone. */
  remains(): readonly string[] {
    const gone = [...this.jobs.values()].filter(({ isGone }) => isGone);
    return gone.flatMap(({ id, atoms, signals, signalKeys }) => [
      ...[...atoms.keys()].map((name) => `atoms/${id}/${name}`),
      ...[...signals.keys()].map((seq) => `signals/${id}/${seq}`),
      ...signalKeys,
    ]);
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
    const visited = this.#buckets.get(prefix);
    const isBounded = prefix.split('/').length >= 5;
    if (!isBounded) this.#complain('G8', `${process.name} ranges over ${prefix}`);
    if ((visited ?? 0) > BUCKET_ENTRIES_MAX) {
      this.#complain('G8', `a bucket holds ${visited} entries: ${prefix}`);
    }
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
        isTold: false,
      };
      const isTold = before.isTold || change.key.startsWith('control/');
      statusesBefore.set(job, { ...before, isTold });
    }
    for (const change of changes) this.#see(change, statusesBefore, succeeded);
    for (const job of touched) {
      this.#checkEntries(job);
      this.#checkSignals(job);
    }
    this.#checkFleet(changes);
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
    if (INDEXES.has(kind) && job) this.#seeEntry(job, key, value !== undefined);
    else if (kind === 'workers') setTo(this.#workers, lastPart(key), value !== undefined);
    else if (kind === 'members') setTo(this.#members, lastPart(key), value !== undefined);
    else if (kind === 'buckets') setTo(this.#listed, `ready/${key.slice(8)}/`, value !== undefined);
    else if (kind === 'keys') this.#seeKey(key, value);
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
    this.#parts.history.count('jobs');
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
    const { wish, signals } = decodeJobControl(value);
    job.wanted = WANTED[wish];
    job.signalsCounted = signals;
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
  #checkSignals({ id, spec, status, signals, signalsCounted, isGone }: WitnessedJob): void {
    if (isGone || !status) return;
    if (signals.size !== signalsCounted) {
      this.#complain('S', `job ${id} has ${signals.size} signals, but counts ${signalsCounted}`);
    }
    const isWaiting = status.phase.kind === 'waiting' && spec?.flow === APPROVAL_FLOW;
    if (isWaiting && [...signals.values()].includes(GO)) {
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
      if (before && !isFinal(before.phase.kind)) {
        this.#complain('G1', `job ${job.id} was removed while it was ${before.phase.kind}`);
      }
      return;
    }
    const after = decodeJobStatus(value);
    job.status = after;
    job.version = version;
    const isSame = before !== undefined && isDeepStrictEqual(before, after);
    const isRenewal = isSame && after.phase.kind === 'running';
    // A ready job that is told something refuses claims that have not seen it.
    const isTouched = isSame && after.phase.kind === 'ready' && seen.before?.isTold === true;
    if (isRenewal) this.#seeRenewal(job, after);
    else if (isTouched) this.#parts.history.count('ready jobs told');
    else if (before && job.spec) {
      judgeTransition([before, after], job.spec, {
        facts: {
          writerIds: this.#writer?.memberIds ?? new Set(),
          isLive: (worker) => this.#workers.has(worker),
          wanted: seen.before?.wanted ?? 'nothing',
        },
        complain: (promise, text) => this.#complain(promise, text),
      });
    }
    if (after.phase.kind === 'running' && !isRenewal) {
      const claim = { commit: this.#commits, fence: version, atMs: this.#parts.nowMs() };
      job.claims.set(after.attempt, claim);
      this.#parts.history.count('attempts');
    }
    if (isFinal(after.phase.kind)) this.#parts.history.count(`ended ${after.phase.kind}`);
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

  #seeEntry(job: WitnessedJob, key: string, isThere: boolean): void {
    const wasThere = job.entries.has(key);
    setTo(job.entries, key, isThere);
    if (!key.startsWith('ready/') || wasThere === isThere) return;
    const bucket = key.slice(0, key.lastIndexOf('/') + 1);
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + (isThere ? 1 : -1));
  }

  #seeKey(key: string, value: Uint8Array | undefined): void {
    const known = this.#keys.get(key);
    if (value && known !== undefined) this.#complain('G6', `${key} was given to a second job`);
    if (value) this.#keys.set(key, Buffer.from(value).toString('utf8'));
    else this.#keys.delete(key);
  }

  /** G7. */
  #checkEntries(job: WitnessedJob): void {
    const { spec, status, isGone, entries } = job;
    const implied = spec && status && !isGone ? impliedEntries(spec, status) : [];
    const actual = [...entries].toSorted();
    if (implied.toSorted().join(' ') !== actual.join(' ')) {
      const state = isGone ? 'gone' : status?.phase.kind;
      this.#complain(
        'G7',
        `job ${job.id} is ${state}, but its index says ${actual.join(' ') || 'nothing'}`,
      );
    }
    if (!spec || !status || isGone) return;
    const { idempotencyKey } = spec;
    if (idempotencyKey !== undefined) {
      const key = `keys/${createHash('sha256').update(idempotencyKey).digest('hex')}`;
      if (this.#keys.get(key) !== job.id)
        this.#complain('G6', `the key of job ${job.id} leads elsewhere`);
    }
    if (status.phase.kind === 'ready') {
      const bucket = `ready/${spec.queue}/${spec.flow}/${status.phase.position.bucket}/`;
      if (!this.#listed.has(bucket))
        this.#complain('G7', `job ${job.id} is ready where nobody looks`);
    }
    if (status.phase.kind === 'running' && !this.#members.has(status.phase.worker)) {
      this.#complain('G7', `job ${job.id} is held by ${status.phase.worker}, whom nobody knows`);
    }
  }

  /** What vanishes must not leave anything behind that only it could lead to. */
  #checkFleet(changes: readonly Change[]): void {
    for (const { key, value } of changes) {
      if (value) continue;
      if (key.startsWith('members/')) this.#checkMemberGone(lastPart(key));
      const bucket = `ready/${key.slice(8)}/`;
      if (key.startsWith('buckets/') && (this.#buckets.get(bucket) ?? 0) > 0) {
        this.#complain('G7', `${key} was removed although jobs wait in it`);
      }
    }
  }

  #checkMemberGone(worker: string): void {
    for (const { id, status, isGone } of this.jobs.values()) {
      if (!isGone && status?.phase.kind === 'running' && status.phase.worker === worker) {
        this.#complain('G1', `member ${worker} was removed while it held job ${id}`);
      }
    }
  }

  #jobOf(key: string): WitnessedJob | undefined {
    const parts = key.split('/');
    const [kind = ''] = parts;
    let id: string | undefined;
    if (OF_JOB.has(kind)) id = parts[1];
    else if (kind === 'claims') id = lastPart(key);
    else if (INDEXES.has(kind)) id = key.slice(key.lastIndexOf('-') + 1);
    if (id === undefined) return undefined;
    let job = this.jobs.get(id);
    if (!job) {
      job = {
        id,
        spec: undefined,
        status: undefined,
        version: 0n,
        atoms: new Map(),
        entries: new Set(),
        claims: new Map(),
        wanted: 'nothing',
        signals: new Map(),
        signalsCounted: 0,
        signalKeys: new Set(),
        isGone: false,
      };
      this.jobs.set(id, job);
    }
    return job;
  }

  #complain(promise: string, text: string): void {
    this.#parts.history.violate(promise, `${text} (by ${this.#writer?.name ?? 'the store'})`);
  }
}

const INDEXES: ReadonlySet<string> = new Set(['ready', 'due', 'deadline', 'claims', 'done']);
const OF_JOB: ReadonlySet<string> = new Set([
  'spec',
  'status',
  'atoms',
  'control',
  'signals',
  'signalkeys',
]);

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
  readonly isTold: boolean;
}

function lastPart(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

function setTo(set: Set<string>, item: string, isThere: boolean): void {
  if (isThere) set.add(item);
  else set.delete(item);
}
