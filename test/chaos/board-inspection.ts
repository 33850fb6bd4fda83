// Looks at the board after everything has healed: has it drained, what became of the jobs, and is there
// anything left that nobody has any more.
import { setTimeout as delay } from 'node:timers/promises';
import type { Board } from '@holdfast/board';
import type { Coord } from '@holdfast/coord';
import { isFinal, type JobId } from '@holdfast/core';
import type { JobObservation, TaskJobObservation } from './history.ts';

/** For the backlog of a round, retries that wait for their time, and workers that join again. */
const DRAIN_MS = 90_000;
/** For what is tidied up after the last job: members that are gone, wake-ups that were not read. */
const SETTLE_MS = 30_000;
const POLL_MS = 200;
const READS_AT_ONCE = 50;
/** Nothing may be under these once every job is final. */
const EMPTY_PREFIXES = ['claims/', 'ready/', 'due/', 'deadline/', 'inbox/', 'taskends/'];
/** Nothing may be under these either once every process has stopped. */
const ENDED_PREFIXES = ['workers/', 'members/', 'leader/'];

/** See the head of this file. */
export class BoardInspection {
  readonly #board: Board;
  readonly #coord: Coord;

  constructor(parts: { readonly board: Board; readonly coord: Coord }) {
    this.#board = parts.board;
    this.#coord = parts.coord;
  }

  /** Waits until all of these jobs are final; those that were not when time was up. */
  async drain(jobIds: readonly string[]): Promise<readonly string[]> {
    const endMs = performance.now() + DRAIN_MS;
    let open = jobIds;
    for (;;) {
      const jobs = await this.observe(open);
      // A job that isn't there is the checker's to find.
      open = jobs.filter((job) => !isOver(job)).map(({ jobId }) => jobId);
      if (open.length === 0) return [];
      if (performance.now() > endMs) return await this.#describe(open);
      await delay(POLL_MS);
    }
  }

  /** The jobs as the board has them now; those that are not there are left out. */
  async observe(jobIds: readonly string[]): Promise<readonly JobObservation[]> {
    const jobs: JobObservation[] = [];
    for (let start = 0; start < jobIds.length; start += READS_AT_ONCE) {
      const chunk = jobIds.slice(start, start + READS_AT_ONCE);
      const views = await Promise.all(
        chunk.map((id) => this.#insist(() => this.#board.getJob(id as JobId))), // told by a server
      );
      for (const view of views) {
        if (!view) continue;
        const hasTaskJobs = view.atoms.some(({ taskJob }) => taskJob !== undefined);
        jobs.push({
          jobId: view.status.id,
          state: view.status.phase.kind,
          attempts: view.status.attempts,
          tasks: Object.fromEntries(view.atoms.map(({ name, state }) => [name, state])),
          taskJobs: hasTaskJobs ? await this.#taskJobsOf(view.status.id) : [],
        });
      }
    }
    return jobs;
  }

  async #taskJobsOf(parent: JobId): Promise<readonly TaskJobObservation[]> {
    const prefix = `taskjobs/${parent}/`;
    const { entries } = await this.#insist(() => this.#coord.list({ prefix, limit: 1000 }));
    const views = await Promise.all(
      entries.map(({ value }) => {
        const id = Buffer.from(value).toString('utf8') as JobId; // written by the board
        return this.#insist(() => this.#board.getJob(id));
      }),
    );
    return views.flatMap((view) =>
      view
        ? [{ jobId: view.status.id, state: view.status.phase.kind, attempts: view.status.attempts }]
        : [],
    );
  }

  /** Keys that should have gone with the last job; with the last process, where all have ended. */
  async leftBehind(options: { readonly hasEnded: boolean }): Promise<readonly string[]> {
    const endMs = performance.now() + SETTLE_MS;
    for (;;) {
      const left = await this.#insist(() => this.#strays(options.hasEnded));
      if (left.length === 0 || performance.now() > endMs) return left;
      await delay(POLL_MS);
    }
  }

  /** What the doctor finds. */
  async disagreements(): Promise<readonly string[]> {
    const { problems } = await this.#insist(() => this.#board.doctor({ repair: false }));
    return problems.map(({ kind, description }) => `${kind}: ${description}`);
  }

  async #strays(hasEnded: boolean): Promise<readonly string[]> {
    const prefixes = hasEnded ? [...EMPTY_PREFIXES, ...ENDED_PREFIXES] : EMPTY_PREFIXES;
    const keys: string[] = [];
    for (const prefix of prefixes) {
      const { entries } = await this.#coord.list({ prefix, limit: 100 });
      keys.push(...entries.map(({ key }) => key));
    }
    if (hasEnded) return keys;
    const { items } = await this.#board.listWorkers({ pageSize: 1000 });
    const gone = items.filter(({ isLive }) => !isLive).map(({ info }) => `members/${info.id}`);
    return [...keys, ...gone];
  }

  async #describe(jobIds: readonly string[]): Promise<readonly string[]> {
    return await Promise.all(
      jobIds.map(async (jobId) => {
        const view = await this.#insist(() => this.#board.getJob(jobId as JobId)); // as above
        const phase = JSON.stringify(view?.status.phase);
        return `${jobId} is ${phase} after ${DRAIN_MS} ms: ${view?.waitingReason}`;
      }),
    );
  }

  /** Everything has healed, but a store may still be choosing a leader. */
  async #insist<T>(read: () => Promise<T>): Promise<T> {
    const endMs = performance.now() + SETTLE_MS;
    for (;;) {
      try {
        return await read();
      } catch (error) {
        if (performance.now() > endMs) throw error;
        await delay(POLL_MS);
      }
    }
  }
}

/** The jobs of its remote tasks end with it, or soon after. */
function isOver({ state, taskJobs }: JobObservation): boolean {
  return isFinal(state) && taskJobs.every((taskJob) => isFinal(taskJob.state));
}
