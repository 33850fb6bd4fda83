import {
  type AtomRecord,
  assert,
  createJobId,
  createSeededRandom,
  type JobId,
  type Random,
  type RemoteTask,
  silentLogger,
  sleep,
} from '@holdfast/core';
import type { AnyFlow } from './flow.ts';
import { Crash, Job, type RunRequest } from './run-harness.fixture.ts';
import type { RemoteCall, RemoteEnd, RemoteTasks, RunResult } from './run-options.ts';
import { runRemoteTask } from './run-remote-task.ts';

/** One task job, as a store would hold it. */
export interface TaskJob {
  readonly id: JobId;
  /** `<task>~<e|r><try>`: there is one for each. */
  readonly key: string;
  readonly call: RemoteCall;
  readonly records: Map<string, AtomRecord>;
  readonly cancel: AbortController;
  attempts: number;
  end: RemoteEnd | undefined;
}

/** What a test may say about task jobs. */
export interface TaskJobsOptions {
  /** What the workers that run task jobs have. Default: the flow of the job. */
  readonly flow?: AnyFlow;
  /** A worker dies at the commit of this number, counted over all task jobs: after a checkpoint, or before an attempt's end. */
  readonly crashAfter?: number;
  /** Holds a task job back until it resolves. */
  readonly begin?: (job: TaskJob) => Promise<void>;
  /** How a task job ends that is not to be run at all. */
  readonly endAs?: (job: TaskJob) => RemoteEnd | undefined;
}

/**
 * Workers for the task jobs of one job, without a board: each task job is run, attempt after attempt, with
 * checkpoints of its own, whatever becomes of the job that it belongs to.
 */
export class TaskJobs {
  readonly jobs: Map<string, TaskJob> = new Map();
  readonly #parent: Job;
  readonly #options: TaskJobsOptions;
  readonly #random: Random = createSeededRandom(7);
  #commits = 0;
  #ended: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(parent: Job, options: TaskJobsOptions = {}) {
    this.#parent = parent;
    this.#options = options;
  }

  /** Commits of all task jobs, the ends of their attempts included. */
  get commits(): number {
    return this.#commits;
  }

  get unfinished(): readonly TaskJob[] {
    return [...this.jobs.values()].filter(({ end }) => end === undefined);
  }

  job(key: string): TaskJob {
    const job = this.jobs.get(key);
    assert(job, `there is a task job ${key}`);
    return job;
  }

  /** Resolves when the next task job has ended. */
  async nextEnd(): Promise<void> {
    await this.#ended.promise;
  }

  /** The port of one attempt of the job; see `RunRequest.remote`. */
  port(write: (atoms: readonly AtomRecord[]) => Promise<void>): RemoteTasks {
    return {
      run: async (call, { cancel, posted }) => {
        const job = this.#find(call) ?? (await this.#post(call, write));
        const stop = (): void => job.cancel.abort(cancel.reason);
        if (cancel.aborted) stop();
        else cancel.addEventListener('abort', stop, { once: true });
        posted(job.id);
        while (!job.end) await this.nextEnd();
        return job.end;
      },
    };
  }

  /** Posts a task job, and leaves the job's own record as it was: nobody could, but it does no harm. */
  postAlone(call: RemoteCall): TaskJob {
    const job: TaskJob = {
      id: createJobId({ clock: this.#parent.clock, random: this.#random }),
      key: keyOf(call),
      call,
      records: new Map(),
      cancel: new AbortController(),
      attempts: 0,
      end: undefined,
    };
    assert(!this.jobs.has(job.key), `task job ${job.key} is posted once`);
    this.jobs.set(job.key, job);
    void this.#work(job);
    return job;
  }

  #find(call: RemoteCall): TaskJob | undefined {
    const named = [...this.jobs.values()].find(({ id }) => id === call.atom.taskJob);
    return named ?? this.jobs.get(keyOf(call));
  }

  async #post(
    call: RemoteCall,
    write: (atoms: readonly AtomRecord[]) => Promise<void>,
  ): Promise<TaskJob> {
    const job = this.postAlone(call);
    await write([{ ...call.atom, taskJob: job.id }]);
    return job;
  }

  async #work(job: TaskJob): Promise<void> {
    await this.#options.begin?.(job);
    job.end = this.#options.endAs?.(job);
    while (!job.end) {
      try {
        const result = await this.#attempt(job);
        this.#commits += 1;
        if (this.#commits === this.#options.crashAfter) throw new Crash('before its last commit');
        for (const atom of result.uncommitted) job.records.set(atom.name, atom);
        job.end = this.#endOf(job, result);
        if (result.kind !== 'waiting') continue;
        assert(result.untilUnixMs !== undefined, 'a task waits for its next try');
        const waitMs = result.untilUnixMs - this.#parent.clock.nowUnixMs();
        await sleep(this.#parent.clock, Math.max(1, waitMs), { signal: job.cancel.signal });
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
      }
    }
    this.#ended.resolve();
    this.#ended = Promise.withResolvers();
  }

  #endOf({ call, records }: TaskJob, { kind }: RunResult): RemoteEnd | undefined {
    const atom = records.get(call.atom.name);
    if (kind === 'stopped') return { kind: 'cancelled', atom };
    if (kind !== 'succeeded' && kind !== 'failed') return undefined;
    assert(atom, `the task job of ${call.atom.name} has a record`);
    return { kind: 'ended', atom };
  }

  async #attempt(job: TaskJob): Promise<RunResult> {
    const { call, records } = job;
    job.attempts += 1;
    const remoteTask: RemoteTask = {
      // Not one that createJobId makes, but it is short, and the keys of the tests show it.
      parentId: 'job-1' as JobId,
      task: call.atom.name,
      intention: call.intention,
      flowVersion: call.atom.flowVersion,
      labels: call.labels,
      atom: call.atom,
      flowFailure: call.flowFailure,
      fenceBase: 0n,
    };
    return await runRemoteTask({
      flow: this.#options.flow ?? this.#parent.flow,
      remoteTask,
      input: call.args,
      identity: {
        jobId: job.id,
        attempt: job.attempts,
        worker: `elsewhere-${job.attempts}`,
        fence: BigInt(job.attempts * 100),
      },
      atoms: [...records.values()],
      checkpoint: async (atoms) => {
        this.#commits += 1;
        for (const atom of atoms) records.set(atom.name, atom);
        if (this.#commits === this.#options.crashAfter) throw new Crash('a worker dies');
      },
      signal: job.cancel.signal,
      clock: this.#parent.clock,
      random: this.#random,
      logger: silentLogger,
    });
  }
}

function keyOf({ atom, intention }: RemoteCall): string {
  return intention === 'execute'
    ? `${atom.name}~e${atom.tries}`
    : `${atom.name}~r${atom.revertTries}`;
}

/**
 * Runs the job to its end with a crash after its commit of this number, and no other. Waits are sat out.
 */
export async function runSpread(
  job: Job,
  taskJobs: TaskJobs,
  { crashAfter = Number.POSITIVE_INFINITY, ...request }: RunRequest & { crashAfter?: number } = {},
): Promise<RunResult> {
  let commits = 0;
  for (;;) {
    try {
      const result = await job.run({
        ...request,
        ...through(taskJobs),
        afterCommit: () => {
          commits += 1;
          if (commits === crashAfter) throw new Crash('the process dies');
        },
      });
      if (result.kind !== 'waiting') return result;
      await job.drive(sitOut(job, taskJobs, result));
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
  }
}

async function sitOut(
  { clock }: Job,
  taskJobs: TaskJobs,
  { untilUnixMs, remoteTasks }: Extract<RunResult, { kind: 'waiting' }>,
): Promise<void> {
  const over = new AbortController();
  const waits: Promise<void>[] = [];
  if (untilUnixMs !== undefined) {
    waits.push(sleep(clock, Math.max(1, untilUnixMs - clock.nowUnixMs()), { signal: over.signal }));
  }
  if (remoteTasks > 0) waits.push(taskJobs.nextEnd());
  assert(waits.length > 0, 'something lets the job go on');
  await Promise.race(waits);
  over.abort();
}

/** A job and its task jobs, each of which takes so long before it begins. */
export function createSpread(flow: AnyFlow, beginAfterMs: number): [Job, TaskJobs] {
  const job = new Job(flow);
  const begin: TaskJobsOptions['begin'] = ({ cancel }) =>
    sleep(job.clock, beginAfterMs, { signal: cancel.signal });
  return [job, new TaskJobs(job, { begin })];
}

/** Lets an attempt's remote tasks be these task jobs. */
export function through(taskJobs: TaskJobs): Pick<RunRequest, 'remote'> {
  return { remote: (write) => taskJobs.port(write) };
}
