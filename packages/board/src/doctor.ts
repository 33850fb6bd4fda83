// The doctor: proves on a live board that records agree (G7), and repairs what doesn't.
//
// It walks every status and every index. What looks wrong on the walk may just have moved, so each
// suspicion is judged again from one snapshot of the job's status and the entry concerned, and a
// repair is one commit that guards on that status. It is safe to run at any time, any number of
// times, beside everything else.

import type { Coord, Entry, Guard, Write } from '@holdfast/coord';
import type { JobId, JobStatus } from '@holdfast/core';
import { HoldfastError, parseWorkerId } from '@holdfast/core';
import { decodeJobSpec, decodeJobStatus } from '@holdfast/wire';
import type { BoardParts } from './board-parts.ts';
import { listPages } from './job-reader.ts';
import {
  bucketKey,
  CLAIMS_PREFIX,
  DEADLINE_PREFIX,
  DONE_PREFIX,
  DUE_PREFIX,
  idAfterDash,
  indexKeys,
  KEYS_PREFIX,
  lastPart,
  memberKey,
  parseReadyKey,
  READY_PREFIX,
  repairedKey,
  STATUS_PREFIX,
  specKey,
  statusKey,
} from './keys.ts';
import { checkTaskEnds, checkTaskJobs } from './task-job-check.ts';
import { indexValue } from './transition.ts';

/** One disagreement between records. */
export interface DoctorProblem {
  readonly kind:
    | 'missing-index-entry'
    | 'stray-index-entry'
    | 'unlisted-bucket'
    | 'claim-without-member'
    | 'task-job-without-parent'
    | 'missing-spec'
    | 'missing-status'
    | 'unreadable-record';
  /** The key that is missing, stray or unreadable. */
  readonly key: string;
  readonly jobId?: JobId | undefined;
  readonly description: string;
  readonly repaired: boolean;
}

/** What the doctor saw. */
export interface DoctorReport {
  readonly jobsChecked: number;
  readonly entriesChecked: number;
  readonly problems: readonly DoctorProblem[];
}

const INDEX_PREFIXES = [READY_PREFIX, DUE_PREFIX, DEADLINE_PREFIX, CLAIMS_PREFIX, DONE_PREFIX];

const NOTHING = new Uint8Array(0);

/** Checks the whole board; repairs what it can when asked to. */
export async function examineBoard(
  parts: BoardParts,
  options: { readonly repair: boolean },
): Promise<DoctorReport> {
  const examination = new Examination(parts.coord, options.repair);
  await examination.checkStatuses();
  await examination.checkSpecs();
  for (const prefix of INDEX_PREFIXES) await examination.checkIndex(prefix);
  await examination.checkIdempotencyKeys();
  await examination.checkTaskJobs();
  return examination.report();
}

class Examination {
  readonly #coord: Coord;
  readonly #repair: boolean;
  readonly #problems: DoctorProblem[] = [];
  readonly #taskJobs = new Set<JobId>();
  #jobsChecked = 0;
  #entriesChecked = 0;

  constructor(coord: Coord, repair: boolean) {
    this.#coord = coord;
    this.#repair = repair;
  }

  report(): DoctorReport {
    return {
      jobsChecked: this.#jobsChecked,
      entriesChecked: this.#entriesChecked,
      problems: this.#problems,
    };
  }

  /** Every entry that a status implies has to be there. */
  async checkStatuses(): Promise<void> {
    for await (const entries of listPages(this.#coord, STATUS_PREFIX)) {
      for (const entry of entries) {
        this.#jobsChecked += 1;
        await this.#checkJob(lastPart(entry.key) as JobId); // written from a JobId
      }
    }
  }

  async #checkJob(id: JobId): Promise<void> {
    const first = await this.#coord.get([statusKey(id), specKey(id)]);
    const job = this.#decode(first, id);
    if (!job) return;
    if (job.status.parentId !== undefined) this.#taskJobs.add(id);
    const implied = indexKeys(job.spec, job.status);
    const beside = [...implied, ...besideKeys(job.status, implied)];
    // One snapshot of the status and all that it implies.
    const now = await this.#coord.get([statusKey(id), ...beside]);
    if (now.get(statusKey(id))?.version !== job.version) return; // It moved: whoever moved it wrote both.
    for (const key of implied) {
      if (now.has(key)) continue;
      const write: Write = { kind: 'put', key, value: indexValue(key, job.spec) };
      await this.#report(
        {
          kind: 'missing-index-entry',
          key,
          jobId: id,
          description: `job ${id} is ${job.status.phase.kind}, but ${key} is missing`,
        },
        { when: [guardOn(id, job.version), { kind: 'absent', key }], write: [write] },
      );
    }
    for (const key of besideKeys(job.status, implied)) {
      if (!now.has(key)) await this.#reportBeside(key, id, job.version);
    }
  }

  async #reportBeside(key: string, id: JobId, version: bigint): Promise<void> {
    const isBucket = key.startsWith('buckets/');
    await this.#report(
      {
        kind: isBucket ? 'unlisted-bucket' : 'claim-without-member',
        key,
        jobId: id,
        description: isBucket
          ? `job ${id} is ready in a bucket that is not listed, so nobody finds it`
          : `job ${id} is held by a worker without a member record, so nobody would take it over`,
      },
      {
        when: [guardOn(id, version), { kind: 'absent', key }],
        write: [{ kind: 'put', key, value: isBucket ? SEALED : NOTHING }],
      },
    );
  }

  /** A spec without a status is half a job. */
  async checkSpecs(): Promise<void> {
    for await (const entries of listPages(this.#coord, 'spec/')) {
      const ids = entries.map((entry) => lastPart(entry.key) as JobId); // written from a JobId
      for (const id of ids) {
        const now = await this.#coord.get([specKey(id), statusKey(id)]);
        if (!now.has(specKey(id)) || now.has(statusKey(id))) continue;
        await this.#report(
          {
            kind: 'missing-status',
            key: statusKey(id),
            jobId: id,
            description: `job ${id} has a spec but no status`,
          },
          undefined,
        );
      }
    }
  }

  /** Every index entry has to be implied by its job's status. */
  async checkIndex(prefix: string): Promise<void> {
    for await (const entries of listPages(this.#coord, prefix)) {
      for (const entry of entries) {
        this.#entriesChecked += 1;
        await this.#checkEntry(prefix, entry);
      }
    }
  }

  async #checkEntry(prefix: string, entry: Entry): Promise<void> {
    const { key } = entry;
    const id = prefix === CLAIMS_PREFIX ? (lastPart(key) as JobId) : idAfterDash(key); // written from a JobId
    const now = await this.#coord.get([key, statusKey(id), specKey(id)]);
    if (!now.has(key)) return; // It has moved meanwhile.
    const status = now.get(statusKey(id));
    if (status && !now.has(specKey(id))) return; // Reported as a missing spec.
    const job = status ? this.#decode(now, id) : undefined;
    if (status && !job) return; // Reported as unreadable.
    if (job && indexKeys(job.spec, job.status).includes(key)) return;
    const guard: Guard = status
      ? guardOn(id, status.version)
      : { kind: 'absent', key: statusKey(id) };
    const state = job ? `is ${job.status.phase.kind}` : 'is not there';
    await this.#report(
      {
        kind: 'stray-index-entry',
        key,
        jobId: id,
        description: `${key} is there, but job ${id} ${state}`,
      },
      {
        // The entry changes with the status only, or, where that is gone for good, never.
        when: [guard],
        write: [{ kind: 'remove', key }],
      },
    );
  }

  /** An idempotency key has to lead to a job, or posts with it are refused for ever. */
  async checkIdempotencyKeys(): Promise<void> {
    for await (const entries of listPages(this.#coord, KEYS_PREFIX)) {
      for (const { key, value, version } of entries) {
        this.#entriesChecked += 1;
        const id = Buffer.from(value).toString('utf8') as JobId; // written from a JobId
        const now = await this.#coord.get([key, specKey(id)]);
        const current = now.get(key);
        // Another version leads to another job by now.
        if (!current || current.version !== version || now.has(specKey(id))) continue;
        await this.#report(
          {
            kind: 'stray-index-entry',
            key,
            jobId: id,
            description: `an idempotency key leads to job ${id}, which is not there`,
          },
          {
            // The key may lead to another job by the time of this commit, and its version says
            // nothing then (C3). Nobody but a doctor ends its way to this job, and the mark, which
            // stays, lets one do so once.
            when: [
              { kind: 'absent', key: specKey(id) },
              { kind: 'absent', key: repairedKey(id) },
            ],
            write: [
              { kind: 'remove', key },
              { kind: 'put', key: repairedKey(id), value: NOTHING },
            ],
          },
        );
      }
    }
  }

  /** Task jobs have to be found by their parents, and to go with them. */
  async checkTaskJobs(): Promise<void> {
    const seen = (): void => void (this.#entriesChecked += 1);
    const findings = [
      checkTaskJobs(this.#coord, this.#taskJobs, seen),
      checkTaskEnds(this.#coord, seen),
    ];
    for (const some of findings) {
      for await (const { problem, repair } of some) await this.#report(problem, repair);
    }
  }

  #decode(entries: ReadonlyMap<string, Entry>, id: JobId): DecodedJob | undefined {
    const status = entries.get(statusKey(id));
    const spec = entries.get(specKey(id));
    if (!status) return undefined;
    if (!spec) {
      this.#problems.push({
        kind: 'missing-spec',
        key: specKey(id),
        jobId: id,
        description: `job ${id} has a status but no spec`,
        repaired: false,
      });
      return undefined;
    }
    try {
      return {
        spec: decodeJobSpec(spec.value),
        status: decodeJobStatus(status.value),
        version: status.version,
      };
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#problems.push({
        kind: 'unreadable-record',
        key: statusKey(id),
        jobId: id,
        description: error.message,
        repaired: false,
      });
      return undefined;
    }
  }

  async #report(
    problem: Omit<DoctorProblem, 'repaired'>,
    repair: { readonly when: readonly Guard[]; readonly write: readonly Write[] } | undefined,
  ): Promise<void> {
    let repaired = false;
    if (repair && this.#repair) repaired = (await this.#coord.commit(repair)).committed;
    this.#problems.push({ ...problem, repaired });
  }
}

interface DecodedJob {
  readonly spec: ReturnType<typeof decodeJobSpec>;
  readonly status: JobStatus;
  readonly version: bigint;
}

// A bucket that the doctor lists takes no new entries: it was given up by its process long ago.
const SEALED = new TextEncoder().encode('sealed');

/** Records that others find the job by, which no status implies alone. */
function besideKeys(status: JobStatus, implied: readonly string[]): readonly string[] {
  if (status.phase.kind === 'running') return [memberKey(parseWorkerId(status.phase.worker))];
  const ready = implied.find((key) => key.startsWith(READY_PREFIX));
  if (ready === undefined) return [];
  const { lane, position } = parseReadyKey(ready);
  return [bucketKey(lane, position.bucket)];
}

function guardOn(id: JobId, version: bigint): Guard {
  return { kind: 'unchanged', key: statusKey(id), version };
}
