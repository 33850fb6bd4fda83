import { create } from '@bufbuild/protobuf';
import {
  type AtomRecord,
  type JobChange,
  type JobSignal,
  type JobSpec,
  type JobStatus,
  jobIdTimeUnixMs,
  type Payload,
} from '@holdfast/core';
import { atomFromProto, atomToProto } from './atom.ts';
import {
  type Job as JobMessage,
  JobSchema,
  type JobSummary as JobSummaryMessage,
  JobSummarySchema,
} from './gen/holdfast/v1/job_service_pb.ts';
import { JobOutcomeSchema } from './gen/holdfast/v1/records_pb.ts';
import { jobChangeFromProto, jobChangeToProto } from './job-change.ts';
import { type JobControlFields, jobControlFromProto, jobControlToProto } from './job-control.ts';
import { jobSignalFromProto, jobSignalToProto } from './job-signal.ts';
import { jobSpecFromProto, jobSpecToProto } from './job-spec.ts';
import { jobStatusFromProto, jobStatusToProto } from './job-status.ts';
import { required } from './malformed-message.ts';
import { optionalPayloadFromProto, payloadToProto } from './payload.ts';
import { timestampFromProto, timestampToProto } from './timestamp.ts';

/** A job with all that is known of it. */
export interface JobViewFields {
  readonly spec: JobSpec;
  readonly status: JobStatus;
  /** One for each task that something has happened to, by name. */
  readonly atoms: readonly AtomRecord[];
  /** The flow's output, once the job has succeeded. */
  readonly output?: Payload | undefined;
  readonly control?: JobControlFields | undefined;
  /** Why the job isn't running, for people; empty when it runs or is final. */
  readonly waitingReason: string;
  /** What it has received, by number. */
  readonly signals: readonly JobSignal[];
  /** What operators have changed about it, by number; `atoms` are as they are by that. */
  readonly changes: readonly JobChange[];
}

/** A job on a page of a listing. */
export interface JobSummaryFields {
  readonly status: JobStatus;
  readonly postedAtUnixMs: number;
}

export function jobToProto(view: JobViewFields): JobMessage {
  return create(JobSchema, {
    spec: jobSpecToProto(view.spec),
    status: jobStatusToProto(view.status),
    atoms: view.atoms.map(atomToProto),
    outcome:
      view.output === undefined
        ? undefined
        : create(JobOutcomeSchema, { output: payloadToProto(view.output) }),
    control: view.control === undefined ? undefined : jobControlToProto(view.control),
    waitingReason: view.waitingReason,
    signals: view.signals.map(jobSignalToProto),
    changes: view.changes.map(jobChangeToProto),
  });
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a job. */
export function jobFromProto(message: JobMessage): JobViewFields {
  return {
    spec: jobSpecFromProto(required(message.spec, 'Job.spec')),
    status: jobStatusFromProto(required(message.status, 'Job.status')),
    atoms: message.atoms.map(atomFromProto),
    output: optionalPayloadFromProto(message.outcome?.output),
    control: message.control === undefined ? undefined : jobControlFromProto(message.control),
    waitingReason: message.waitingReason,
    signals: message.signals.map(jobSignalFromProto),
    changes: message.changes.map(jobChangeFromProto),
  };
}

/** The time of the post is read from the job's id. */
export function jobSummaryToProto(status: JobStatus): JobSummaryMessage {
  return create(JobSummarySchema, {
    status: jobStatusToProto(status),
    postedAt: timestampToProto(jobIdTimeUnixMs(status.id)),
  });
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a job's summary. */
export function jobSummaryFromProto(message: JobSummaryMessage): JobSummaryFields {
  return {
    status: jobStatusFromProto(required(message.status, 'JobSummary.status')),
    postedAtUnixMs: timestampFromProto(message.postedAt, 'JobSummary.posted_at'),
  };
}
