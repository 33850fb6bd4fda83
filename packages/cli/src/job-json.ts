import {
  type AtomRecord,
  type AttemptRecord,
  type JobChange,
  type JobSignal,
  type JobStatus,
  JSON_CONTENT_TYPE,
  type Payload,
  type RemoteTask,
  type TaskChange,
} from '@holdfast/core';
import type {
  FlowGraphFields,
  FlowViewFields,
  JobSummaryFields,
  JobViewFields,
  WorkerViewFields,
} from '@holdfast/wire';

/** What JSON output is made of; what is undefined is left out of the text. */
export type Json =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Json[]
  | { readonly [key: string]: Json };

/** A job with all that is known of it, as `--json` prints it. Times are ISO 8601, in UTC. */
export function jobToJson(view: JobViewFields): Json {
  const { spec, status } = view;
  return {
    ...statusToJson(status, spec.postedAtUnixMs),
    waitingReason: view.waitingReason === '' ? undefined : view.waitingReason,
    ...requestsToJson(view),
    task: spec.remoteTask && remoteTaskToJson(spec.remoteTask),
    input: payloadToJson(spec.input),
    output: view.output && payloadToJson(view.output),
    runAt: time(spec.runAtUnixMs),
    maxAttempts: spec.maxAttempts,
    deadlines: { ...spec.deadlines },
    retentionMs: spec.retentionMs,
    labels: spec.labels,
    idempotencyKey: spec.idempotencyKey,
    traceparent: spec.trace?.traceparent,
    attempts: status.attempts.map(attemptToJson),
    attemptsDropped: status.attemptsDropped,
    tasks: view.atoms.map(taskToJson),
    signals: view.signals.map(signalToJson),
    forkedFrom: spec.forkedFrom,
    changes: view.changes.map(changeToJson),
  };
}

/** A change by an operator with all that is known of it, as `--json` prints it. */
export function changeToJson(change: JobChange): Json {
  return {
    seq: change.seq,
    at: time(change.atUnixMs),
    by: change.by,
    reason: change.reason,
    changes: change.changes.map(taskChangeToJson),
    tasks: change.tasks.map(({ task, before, after, result }) => ({
      task,
      before,
      after,
      result: result && payloadToJson(result),
    })),
    resumed: change.resumed,
    forkedFrom: change.fork?.jobId,
    forkedFromTask: change.fork?.fromTask,
  };
}

function taskChangeToJson(change: TaskChange): Json {
  const values = 'values' in change && change.values ? payloadToJson(change.values) : undefined;
  return { kind: change.kind, task: 'task' in change ? change.task : undefined, values };
}

/** What a task job runs, and for whom. */
function remoteTaskToJson(remote: RemoteTask): Json {
  const { parentId, task, intention, flowVersion, labels } = remote;
  return { parentId, name: task, intention, flowVersion, labels: { ...labels } };
}

/** What is wanted of the job, or was when it ended. */
function requestsToJson({ control }: JobViewFields): { readonly [key: string]: Json } {
  if (!control || control.wish === 'none') return {};
  const request = { at: time(control.requestedAtUnixMs), reason: control.reason };
  if (control.wish === 'suspend') return { suspendRequested: request };
  return { cancelRequested: { ...request, revert: control.wish === 'cancelWithRevert' } };
}

function signalToJson(signal: JobSignal): Json {
  return {
    seq: signal.seq,
    name: signal.name,
    at: time(signal.atUnixMs),
    payload: payloadToJson(signal.payload),
  };
}

/** A job of a listing, as `--json` prints it. */
export function summaryToJson({ status, postedAtUnixMs }: JobSummaryFields): Json {
  return statusToJson(status, postedAtUnixMs);
}

export function workerToJson({ info, claims, isLive }: WorkerViewFields): Json {
  const { startedAtUnixMs, ...rest } = info;
  const { labels, served, ...fields } = rest;
  return {
    ...fields,
    labels: { ...labels },
    served: served.map((flow) => ({ ...flow })),
    startedAt: time(startedAtUnixMs),
    claims,
    isLive,
  };
}

export function flowToJson({ flow, workers }: FlowViewFields): Json {
  return {
    name: flow.name,
    description: flow.description,
    workers,
    digest: flow.digest,
    registeredAt: time(flow.registeredAtUnixMs),
    registeredBy: flow.registeredBy,
    // The schema was made by JSON.stringify, so it reads back as JSON.
    inputSchema: flow.inputSchemaJson === '' ? null : (JSON.parse(flow.inputSchemaJson) as Json),
    ...graphToJson(flow),
  };
}

function graphToJson({ nodes, edges }: FlowGraphFields): { readonly [key: string]: Json } {
  return {
    tasks: nodes.map(({ body, ...node }) => ({ ...node, body: body && graphToJson(body) })),
    edges: edges.map((edge) => ({ ...edge })),
  };
}

/** JSON as it is; anything else as base64 with its content type. */
export function payloadToJson(payload: Payload): Json {
  const bytes = Buffer.from(payload.data);
  if (payload.contentType === JSON_CONTENT_TYPE) {
    try {
      return JSON.parse(bytes.toString('utf8')) as Json; // what JSON.parse returns is JSON
    } catch {
      // A codec of the user's named its bytes JSON; they are shown as the bytes they are.
    }
  }
  return { contentType: payload.contentType, base64: bytes.toString('base64') };
}

function statusToJson(status: JobStatus, postedAtUnixMs: number): { readonly [key: string]: Json } {
  const { phase } = status;
  return {
    id: status.id,
    flow: status.flow,
    state: phase.kind,
    queue: status.queue,
    priority: status.priority,
    postedAt: time(postedAtUnixMs),
    updatedAt: time(status.updatedAtUnixMs),
    worker: phase.kind === 'running' ? phase.worker : undefined,
    claimedAt: phase.kind === 'running' ? time(phase.claimedAtUnixMs) : undefined,
    scheduledFor:
      phase.kind === 'scheduled' || phase.kind === 'suspended'
        ? time(phase.runAtUnixMs)
        : undefined,
    waitsUntil: phase.kind === 'waiting' ? time(phase.untilUnixMs) : undefined,
    suspendedAt: phase.kind === 'suspended' ? time(phase.suspendedAtUnixMs) : undefined,
    finishedAt: 'finishedAtUnixMs' in phase ? time(phase.finishedAtUnixMs) : undefined,
    failure:
      'failure' in phase && phase.failure ? { ...phase.failure, causes: causes(phase) } : undefined,
    attempt: status.attempt,
    lostAttempts: status.lostAttempts,
    revivals: status.revivals,
  };
}

function causes(phase: {
  readonly failure?: { readonly causes: readonly object[] } | undefined;
}): Json {
  return (phase.failure?.causes ?? []).map((cause) => ({ ...cause }));
}

function attemptToJson(attempt: AttemptRecord): Json {
  return {
    number: attempt.number,
    worker: attempt.worker,
    claimedAt: time(attempt.claimedAtUnixMs),
    endedAt: time(attempt.endedAtUnixMs),
    end: attempt.end,
    reason: attempt.reason,
    spanId: attempt.spanId,
  };
}

function taskToJson(atom: AtomRecord): Json {
  const failure = (recorded: AtomRecord['failure']): Json =>
    recorded && { ...recorded, causes: recorded.causes.map((cause) => ({ ...cause })) };
  return {
    name: atom.name,
    state: atom.state,
    tries: atom.tries,
    executions: atom.executions,
    revertTries: atom.revertTries,
    progress: atom.progress,
    progressMessage: atom.progressMessage,
    startedAt: time(atom.startedAtUnixMs),
    finishedAt: time(atom.finishedAtUnixMs),
    nextTryAt: time(atom.nextAtUnixMs),
    attempt: atom.attempt,
    worker: atom.worker,
    taskJob: atom.taskJob,
    result: atom.result && payloadToJson(atom.result),
    failure: failure(atom.failure),
    revertFailure: failure(atom.revertFailure),
    errors: atom.errors.map((error) => ({
      at: time(error.atUnixMs),
      try: error.try,
      failure: failure(error.failure),
    })),
    errorsDropped: atom.errorsDropped,
  };
}

function time(unixMs: number | undefined): string | undefined {
  return unixMs === undefined ? undefined : new Date(unixMs).toISOString();
}
