// The witness of the demo: what the workers say they did, read from their logs and from nothing
// else, so that its verdict doesn't rest on the store whose promises it checks.
//
//   W1. A worker logs 'task started' before it calls user code, and 'task committed' once the store has
//       acknowledged the result. A kill can therefore hide a commit, but never a start.
//   W2. Lines of one process come in the order in which they were written; lines of two processes don't.
//       Whatever compares two processes goes by the number of the attempt.

/** One line of a worker's log that tells of a task. */
export interface TaskLine {
  readonly kind: 'started' | 'committed';
  readonly atUnixMs: number;
  /** The process that wrote it. */
  readonly pid: number;
  readonly jobId: string;
  readonly task: string;
  readonly attempt: number;
  /** Number of the try; 0 on the line of a commit, which doesn't say. */
  readonly try: number;
}

/** A task that a worker has started and not committed. */
export type InFlight = Pick<TaskLine, 'jobId' | 'task' | 'attempt' | 'atUnixMs'>;

/** Everything that happened to one task of one job. */
interface TaskHistory {
  readonly starts: TaskLine[];
  readonly commits: TaskLine[];
}

/** What the witness has to say at the end. */
export interface Testimony {
  /** Tasks that were executed, each counted once. */
  readonly tasks: number;
  /** Calls of user code. */
  readonly executions: number;
  /** Tasks whose same try was executed more than once. */
  readonly repeated: readonly { readonly jobId: string; readonly task: string }[];
  /** Tasks that ran again after their result had been committed: a broken promise (G3). */
  readonly broken: readonly { readonly jobId: string; readonly task: string }[];
}

/** Reads a line of a worker's log; undefined for every other line. */
export function parseTaskLine(text: string): TaskLine | undefined {
  if (!text.startsWith('{')) return undefined;
  let line: Readonly<Record<string, unknown>>;
  try {
    line = JSON.parse(text) as Readonly<Record<string, unknown>>; // the brace says it is an object
  } catch {
    // Not JSON, or cut in the middle by the kill: no testimony.
    return undefined;
  }
  const kind = kindOf(line);
  if (!kind) return undefined;
  return {
    kind,
    atUnixMs: Number(line['time']),
    pid: Number(line['pid']),
    jobId: String(line['jobId']),
    task: String(line['task']),
    attempt: Number(line['attempt']),
    try: Number(line['try'] ?? 0),
  };
}

/** Of the commits only those of results: a task's record is also committed while it runs. */
function kindOf(line: Readonly<Record<string, unknown>>): TaskLine['kind'] | undefined {
  if (line['msg'] === 'task started') return 'started';
  return line['msg'] === 'task committed' && line['state'] === 'success' ? 'committed' : undefined;
}

/** Collects what the workers log. */
export class Witness {
  readonly #histories = new Map<string, TaskHistory>();

  /** Takes down one line; the lines of one process in their order (W2). */
  record(line: TaskLine): void {
    const key = `${line.jobId} ${line.task}`;
    let history = this.#histories.get(key);
    if (!history) {
      history = { starts: [], commits: [] };
      this.#histories.set(key, history);
    }
    (line.kind === 'started' ? history.starts : history.commits).push(line);
  }

  /** Jobs of which as many tasks were committed. */
  jobsDone(tasksPerJob: number): number {
    const done = this.#all().filter(({ commits }) => commits.length > 0);
    const byJob = Map.groupBy(done, ({ starts }) => starts[0]?.jobId);
    return [...byJob.values()].filter((tasks) => tasks.length >= tasksPerJob).length;
  }

  /** Jobs of which a task was started. */
  get jobsStarted(): number {
    return new Set(this.#all().map(({ starts }) => starts[0]?.jobId)).size;
  }

  /** Tasks of a job whose result was committed. */
  committedOf(jobId: string): number {
    return this.#all().filter(
      ({ starts, commits }) => starts[0]?.jobId === jobId && commits.length > 0,
    ).length;
  }

  /** Tasks that this process has started and not committed. */
  inFlightOf(pid: number): readonly InFlight[] {
    return this.#all().flatMap(({ starts, commits }) => {
      const last = starts.findLast((line) => line.pid === pid);
      if (!last) return [];
      const isDone = commits.some((line) => line.pid === pid && line.attempt === last.attempt);
      return isDone ? [] : [last];
    });
  }

  /** True when this process has committed a task of the job. */
  hasCommitted(pid: number, jobId: string): boolean {
    return this.#all().some(({ commits }) =>
      commits.some((line) => line.pid === pid && line.jobId === jobId),
    );
  }

  testify(): Testimony {
    const histories = this.#all().filter(({ starts }) => starts.length > 0);
    const named = (wanted: (history: TaskHistory) => boolean): Testimony['repeated'] =>
      histories
        .filter(wanted)
        .flatMap(({ starts: [first] }) =>
          first ? [{ jobId: first.jobId, task: first.task }] : [],
        );
    return {
      tasks: histories.length,
      executions: histories.reduce((sum, { starts }) => sum + starts.length, 0),
      repeated: named(({ starts }) => new Set(starts.map((line) => line.try)).size < starts.length),
      broken: named(ranAgainAfterCommit),
    };
  }

  #all(): readonly TaskHistory[] {
    return [...this.#histories.values()];
  }
}

/** W2: a later attempt, or a second start of the same attempt, which is always the same process. */
function ranAgainAfterCommit({ starts, commits }: TaskHistory): boolean {
  return commits.some((commit) => {
    const ofAttempt = starts.filter((start) => start.attempt === commit.attempt);
    return ofAttempt.length > 1 || starts.some((start) => start.attempt > commit.attempt);
  });
}
