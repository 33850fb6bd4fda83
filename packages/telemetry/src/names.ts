/**
 * The names of everything that Holdfast reports through OpenTelemetry, in one place: dashboards,
 * alerts and tests are written against them, so they change only with a note in the release.
 */

/** Names of spans. The tree is `job.post` → `job.attempt` → `task.execute` | `task.revert`. */
export const SPANS = {
  /** The producer's post as the server sees it, from request to acknowledgement. */
  jobPost: 'job.post',
  /**
   * One attempt of a job, from its claim to its end. Child of the post, linked to the attempt
   * before. Attributes: job.id, flow, queue, attempt, worker, fence, outcome; of a task job also job.parent_id
   * and task.
   */
  jobAttempt: 'job.attempt',
  /** One call of a task's `execute`. Attributes: job.id, flow, task, try, execution. */
  taskExecute: 'task.execute',
  /** One call of a task's `revert`. Attributes: job.id, flow, task, try, execution. */
  taskRevert: 'task.revert',
} as const;

/** Names of the attributes of spans and metrics. */
export const ATTRIBUTES = {
  /** Spans only: one value for each job would ruin a metric. */
  jobId: 'holdfast.job.id',
  /** The job whose flow the one task of a task job belongs to. Spans only. */
  parentId: 'holdfast.job.parent_id',
  flow: 'holdfast.flow',
  queue: 'holdfast.queue',
  /** Number of the attempt, from 1. Spans only. */
  attempt: 'holdfast.attempt',
  /** The incarnation of the worker. Spans only. */
  worker: 'holdfast.worker',
  /** Fencing token of the attempt, as decimal text. Spans only. */
  fence: 'holdfast.fence',
  task: 'holdfast.task',
  /** Number of the try, from 1; part of the idempotency key. Spans only. */
  try: 'holdfast.try',
  /** How often the task was handed to user code, repeats included. Spans only. */
  execution: 'holdfast.execution',
  /** How an attempt ended (`AttemptEnd` of core), or how a takeover did: ready, dead, cancelled, failed. */
  outcome: 'holdfast.outcome',
  /** Final state of a job. */
  state: 'holdfast.state',
  /** `execute` or `revert`. */
  kind: 'holdfast.kind',
  /** Which write a commit or a refusal was about: checkpoint, succeed, fail, … */
  write: 'holdfast.write',
  /** Why, for people. Spans only. */
  reason: 'holdfast.reason',
} as const;

/** What a metric is, as its instrument is created. */
export interface MetricDefinition {
  readonly name: string;
  /** UCUM unit, as OpenTelemetry writes it. */
  readonly unit: string;
  readonly description: string;
  /** Keys of {@link ATTRIBUTES} that its points carry. */
  readonly attributes: readonly (keyof typeof ATTRIBUTES)[];
}

/** Every metric. Durations are in seconds, as OpenTelemetry's conventions ask. */
export const METRICS = {
  readyJobs: {
    name: 'holdfast.queue.ready',
    unit: '{job}',
    description: 'Jobs that wait to be claimed; counted by one process of the fleet.',
    attributes: ['queue'],
  },
  oldestReadyAge: {
    name: 'holdfast.queue.oldest_ready_age',
    unit: 's',
    description: 'Age of the job that has waited longest to be claimed.',
    attributes: ['queue'],
  },
  jobsPosted: {
    name: 'holdfast.jobs.posted',
    unit: '{job}',
    description: 'Jobs accepted and stored; not the task jobs of remote tasks.',
    attributes: ['queue', 'flow'],
  },
  jobsFinished: {
    name: 'holdfast.jobs.finished',
    unit: '{job}',
    description: 'Jobs that reached a final state; not the task jobs of remote tasks.',
    attributes: ['queue', 'flow', 'state'],
  },
  jobDuration: {
    name: 'holdfast.job.duration',
    unit: 's',
    description: 'From the post of a job to its final state; not of task jobs.',
    attributes: ['queue', 'flow', 'state'],
  },
  claimLatency: {
    name: 'holdfast.claim.latency',
    unit: 's',
    description: 'From ready to claimed, by the wall clocks of two machines.',
    attributes: ['queue', 'flow'],
  },
  claimCollisions: {
    name: 'holdfast.claim.collisions',
    unit: '{collision}',
    description: 'Claims that another worker was faster with.',
    attributes: ['queue'],
  },
  takeovers: {
    name: 'holdfast.takeovers',
    unit: '{job}',
    description: 'Jobs taken from workers whose session had ended.',
    attributes: ['queue', 'flow', 'outcome'],
  },
  fenceRejections: {
    name: 'holdfast.fence.rejections',
    unit: '{write}',
    description: 'Writes refused because their attempt no longer held the claim.',
    attributes: ['write'],
  },
  commitDuration: {
    name: 'holdfast.commit.duration',
    unit: 's',
    description: 'One commit of an attempt, from call to acknowledgement.',
    attributes: ['write'],
  },
  storeCommits: {
    name: 'holdfast.store.commits',
    unit: '{commit}',
    description: 'Commits that this process sent to the store.',
    attributes: [],
  },
  storeGroups: {
    name: 'holdfast.store.groups',
    unit: '{group}',
    description: 'Round trips that carried those commits.',
    attributes: [],
  },
  storeGroupSize: {
    name: 'holdfast.store.group_size',
    unit: '{commit}',
    description: 'Mean number of commits in one round trip since the last report.',
    attributes: [],
  },
  storeReads: {
    name: 'holdfast.store.reads',
    unit: '{read}',
    description: 'Reads and listings that this process sent to the store.',
    attributes: [],
  },
  taskDuration: {
    name: 'holdfast.task.duration',
    unit: 's',
    description: 'One call of a task, whatever came of it.',
    attributes: ['flow', 'task', 'kind', 'outcome'],
  },
  attemptsEnded: {
    name: 'holdfast.attempts.ended',
    unit: '{attempt}',
    description: 'Attempts that ended on this worker; `lost` ones wrote nothing more.',
    attributes: ['queue', 'flow', 'outcome'],
  },
  jobsRunning: {
    name: 'holdfast.worker.jobs',
    unit: '{job}',
    description: 'Jobs that run on this worker now.',
    attributes: ['queue', 'flow'],
  },
  sessionsLost: {
    name: 'holdfast.worker.sessions_lost',
    unit: '{session}',
    description: 'How often this worker fenced itself off because its lease could not be trusted.',
    attributes: [],
  },
} as const;
