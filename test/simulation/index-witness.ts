// The part of the witness that watches the index, the idempotency keys and the fleet: what leads to jobs.
//
// Invariants, checked after every commit for the jobs that it touched: G6, G7 and G8 of board-witness.ts.
import { createHash } from 'node:crypto';
import { impliedEntries, readyLane } from './job-rules.ts';
import { type Change, INDEXES, lastPart, setTo, type WitnessedJob } from './witnessed-job.ts';

/** What a bucket may hold, as the board promises. */
const BUCKET_ENTRIES_MAX = 512;

export interface IndexWitnessParts {
  readonly jobs: ReadonlyMap<string, WitnessedJob>;
  readonly complain: (promise: string, text: string) => void;
}

/** See the head of this file. */
export class IndexWitness {
  readonly #parts: IndexWitnessParts;
  readonly #workers = new Set<string>();
  readonly #members = new Set<string>();
  readonly #buckets = new Map<string, number>();
  readonly #listed = new Set<string>();
  readonly #keys = new Map<string, string>();

  constructor(parts: IndexWitnessParts) {
    this.#parts = parts;
  }

  isLive(worker: string): boolean {
    return this.#workers.has(worker);
  }

  /** G8: a worker ranges over part of the ready index. */
  ranged(worker: string, prefix: string): void {
    const visited = this.#buckets.get(prefix);
    const isBounded = prefix.split('/').length >= 5;
    if (!isBounded) this.#complain('G8', `${worker} ranges over ${prefix}`);
    if ((visited ?? 0) > BUCKET_ENTRIES_MAX) {
      this.#complain('G8', `a bucket holds ${visited} entries: ${prefix}`);
    }
  }

  /** One key of a commit, and the job that it belongs to. */
  see({ key, value }: Change, job: WitnessedJob | undefined): void {
    const [kind = ''] = key.split('/', 1);
    const isThere = value !== undefined;
    if (INDEXES.has(kind) && job) this.#seeEntry(job, key, isThere);
    else if (kind === 'workers') setTo(this.#workers, lastPart(key), isThere);
    else if (kind === 'members') setTo(this.#members, lastPart(key), isThere);
    else if (kind === 'buckets') setTo(this.#listed, `ready/${key.slice(8)}/`, isThere);
    else if (kind === 'keys') this.#seeKey(key, value);
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
  checkEntries(job: WitnessedJob): void {
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
      const bucket = `${readyLane(spec, status)}${status.phase.position.bucket}/`;
      if (!this.#listed.has(bucket))
        this.#complain('G7', `job ${job.id} is ready where nobody looks`);
    }
    if (status.phase.kind === 'running' && !this.#members.has(status.phase.worker)) {
      this.#complain('G7', `job ${job.id} is held by ${status.phase.worker}, whom nobody knows`);
    }
  }

  /** What vanishes must not leave anything behind that only it could lead to. */
  checkFleet(changes: readonly Change[]): void {
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
    for (const { id, status, isGone } of this.#parts.jobs.values()) {
      if (!isGone && status?.phase.kind === 'running' && status.phase.worker === worker) {
        this.#complain('G1', `member ${worker} was removed while it held job ${id}`);
      }
    }
  }

  #complain(promise: string, text: string): void {
    this.#parts.complain(promise, text);
  }
}
