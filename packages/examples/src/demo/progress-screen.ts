import type { JobState, JobStatus } from '@holdfast/core';
import { createLogUpdate } from 'log-update';

/** A job as the screen shows it. */
export interface ShownJob {
  /** From 1, in the order of posting. */
  readonly number: number;
  /** The commit that it checks. */
  readonly commit: string;
  readonly status: JobStatus;
  readonly tasksDone: number;
}

/** Shows how the jobs get on, and what happens beside them. */
export interface ProgressScreen {
  /** Something that stays on the screen. */
  note(text: string): void;
  update(jobs: readonly ShownJob[]): void;
  /** Leaves the last picture standing. */
  finish(): void;
}

/**
 * A picture that is redrawn on a terminal; a line for each change where there is none. `tasks` is how
 * many a job has.
 */
export function createProgressScreen(output: NodeJS.WriteStream, tasks: number): ProgressScreen {
  return output.isTTY ? new LiveScreen(output, tasks) : new PlainScreen(output, tasks);
}

/** Two jobs in a line, so that 24 of them fit on any terminal. */
class LiveScreen implements ProgressScreen {
  readonly #output: NodeJS.WriteStream;
  readonly #tasks: number;
  readonly #draw: ReturnType<typeof createLogUpdate>;
  #picture = '';

  constructor(output: NodeJS.WriteStream, tasks: number) {
    this.#output = output;
    this.#tasks = tasks;
    this.#draw = createLogUpdate(output);
  }

  note(text: string): void {
    if (this.#picture !== '') this.#draw.clear();
    this.#output.write(`${text}\n`);
    if (this.#picture !== '') this.#draw(this.#picture);
  }

  update(jobs: readonly ShownJob[]): void {
    const half = Math.ceil(jobs.length / 2);
    const lines = jobs.slice(0, half).map((left, index) => {
      const right = jobs[half + index];
      return `${describeJob(left, this.#tasks).padEnd(39)} ${right ? describeJob(right, this.#tasks) : ''}`.trimEnd();
    });
    this.#picture = lines.join('\n');
    this.#draw(this.#picture);
  }

  finish(): void {
    this.#draw.done();
    this.#picture = '';
  }
}

class PlainScreen implements ProgressScreen {
  readonly #output: NodeJS.WriteStream;
  readonly #tasks: number;
  readonly #shown = new Map<number, string>();

  constructor(output: NodeJS.WriteStream, tasks: number) {
    this.#output = output;
    this.#tasks = tasks;
  }

  note(text: string): void {
    this.#output.write(`${text}\n`);
  }

  update(jobs: readonly ShownJob[]): void {
    for (const job of jobs) {
      const state = `${job.status.phase.kind} ${job.status.attempt}`;
      const isNews = this.#shown.get(job.number) !== state && job.status.attempt > 0;
      if (isNews) this.#output.write(`  ${describeJob(job, this.#tasks)}\n`);
      this.#shown.set(job.number, state);
    }
  }

  finish(): void {
    this.#shown.clear();
  }
}

/** At most 38 characters: number, commit, state, worker, tasks done. */
function describeJob({ number, commit, status, tasksDone }: ShownJob, tasks: number): string {
  const done = Math.min(tasksDone, tasks);
  const bar = '█'.repeat(done) + '░'.repeat(tasks - done);
  const worker = status.attempts.at(-1)?.worker;
  const parts = [
    `${number}`.padStart(2),
    commit.slice(0, 7),
    bar,
    shortState(status.phase.kind).padEnd(9),
    worker === undefined ? '' : workerName(worker),
  ];
  return parts.join(' ').trimEnd();
}

function shortState(state: JobState): string {
  return state === 'succeeded' ? 'done' : state;
}

/** The name that a worker was given, without the part that makes its id unique. */
export function workerName(workerId: string): string {
  return workerId.slice(0, workerId.lastIndexOf('-'));
}
