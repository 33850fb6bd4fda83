import { create } from '@bufbuild/protobuf';
import {
  createUniqueId,
  type JobChange,
  type JobId,
  type JobStatus,
  parseJobId,
  type TaskChange,
} from '@holdfast/core';
import {
  ChangeJobRequestSchema,
  ForkJobRequestSchema,
  grpcServiceDefinition,
  JobService,
  jobChangeFromProto,
  jobStatusFromProto,
  payloadToProto,
  taskChangeToProto,
} from '@holdfast/wire';
import type { Channel } from './channel.ts';
import type { ChangeOptions, ForkOptions } from './client-settings.ts';
import type { JobEdit } from './job-edit.ts';
import { checkKey, jsonPayload } from './json-payload.ts';
import { present } from './present.ts';

const { changeJob: CHANGE, forkJob: FORK } = grpcServiceDefinition(JobService);

/** What a request has changed about a job, or would. */
export interface ChangedJob {
  readonly change: JobChange;
  /** The job after it. */
  readonly status: JobStatus;
}

/** Changes a stopped job. Only a dry run is repeated when its answer was lost. */
export async function changeJob(
  channel: Channel,
  job: {
    readonly id: JobId;
    readonly changes: readonly JobEdit[];
    readonly options: ChangeOptions;
  },
): Promise<ChangedJob> {
  const { id, options } = job;
  const { by, reason = '', resume = false, dryRun = false } = options;
  const changes = toMessages(job.changes);
  const request = create(ChangeJobRequestSchema, { id, changes, by, reason, resume, dryRun });
  const { change, status } = await channel.unary(CHANGE, request, {
    ...options,
    isIdempotent: dryRun,
  });
  return {
    change: jobChangeFromProto(present(change, 'change')),
    status: jobStatusFromProto(present(status, 'status')),
  };
}

/** Forks a job, under a key of its own unless the caller gives one. */
export async function forkJob(
  channel: Channel,
  job: { readonly id: JobId; readonly options: ForkOptions },
): Promise<{ readonly id: JobId; readonly created: boolean }> {
  const { options } = job;
  const { by, reason = '', fromTask = '', queue = '', input } = options;
  const { idempotencyKey = createUniqueId(channel) } = options;
  checkKey(idempotencyKey, 'idempotency_key');
  const request = create(ForkJobRequestSchema, {
    id: job.id,
    fromTask,
    ...(input === undefined ? {} : { input: payloadToProto(jsonPayload(input, 'input')) }),
    changes: toMessages(options.changes ?? []),
    queue,
    reason,
    by,
    idempotencyKey,
  });
  const { id, created } = await channel.unary(FORK, request, {
    ...options,
    isIdempotent: idempotencyKey !== '',
  });
  return { id: parseJobId(id), created };
}

function toMessages(edits: readonly JobEdit[]): ReturnType<typeof taskChangeToProto>[] {
  return edits.map((edit, index) => taskChangeToProto(toChange(edit, `changes[${index}]`)));
}

function toChange(edit: JobEdit, field: string): TaskChange {
  switch (edit.kind) {
    case 'setResult':
      return { ...edit, values: jsonPayload(edit.values, `${field}.set_result.values`) };
    case 'skip': {
      const { kind, task, values } = edit;
      return { kind, task, values: values && jsonPayload(values, `${field}.skip.values`) };
    }
    case 'retryFrom':
    case 'retryRevert':
    case 'resolveRevert':
    case 'revert':
      return edit;
    default:
      return edit satisfies never;
  }
}
