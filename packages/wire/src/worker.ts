import { create } from '@bufbuild/protobuf';
import type { WorkerId } from '@holdfast/core';
import {
  ServedFlowSchema,
  type Worker as WorkerMessage,
  WorkerSchema,
} from './gen/holdfast/v1/records_pb.ts';
import { type WorkerListing, WorkerListingSchema } from './gen/holdfast/v1/worker_service_pb.ts';
import { integerFromProto, required, workerIdFromProto } from './malformed-message.ts';
import { type RecordCodec, recordCodec } from './record-codec.ts';
import { timestampFromProto, timestampToProto } from './timestamp.ts';

/** What a member of the fleet tells of itself. */
export interface WorkerFields {
  readonly id: WorkerId;
  readonly host: string;
  readonly pid: number;
  readonly queues: readonly string[];
  readonly flows: readonly string[];
  readonly concurrency: number;
  readonly startedAtUnixMs: number;
  readonly leaseTtlMs: number;
  /** Version of Holdfast that it runs. */
  readonly version: string;
  /** It takes no new jobs, and leaves when those it has are done or, after its drain timeout, handed back. */
  readonly isDraining: boolean;
  /** What remote tasks may ask for. */
  readonly labels: Readonly<Record<string, string>>;
  /** How it serves each flow, in the order of `flows`. */
  readonly served: readonly ServedFlowFields[];
}

/** A flow as one worker serves it. */
export interface ServedFlowFields {
  readonly flow: string;
  readonly version: number;
  /** Earlier versions whose jobs it continues. */
  readonly continues: readonly number[];
  /** The sets of labels that remote tasks of the flow ask for and the worker has, as `labelsText` of core. */
  readonly remote: readonly string[];
}

/** A member and what it holds. */
export interface WorkerViewFields {
  readonly info: WorkerFields;
  readonly claims: number;
  /** False when its session has ended and its jobs wait to be taken over. */
  readonly isLive: boolean;
}

export function workerToProto(worker: WorkerFields): WorkerMessage {
  return create(WorkerSchema, {
    id: worker.id,
    host: worker.host,
    pid: BigInt(worker.pid),
    queues: [...worker.queues],
    flows: [...worker.flows],
    concurrency: worker.concurrency,
    startedAt: timestampToProto(worker.startedAtUnixMs),
    leaseTtlMs: BigInt(worker.leaseTtlMs),
    version: worker.version,
    draining: worker.isDraining,
    labels: { ...worker.labels },
    served: worker.served.map(({ flow, version, continues, remote }) =>
      create(ServedFlowSchema, { flow, version, continues: [...continues], remote: [...remote] }),
    ),
  });
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a worker. */
export function workerFromProto(message: WorkerMessage): WorkerFields {
  return {
    id: workerIdFromProto(message.id, 'Worker.id'),
    host: message.host,
    pid: integerFromProto(message.pid, 'Worker.pid'),
    queues: message.queues,
    flows: message.flows,
    concurrency: message.concurrency,
    startedAtUnixMs: timestampFromProto(message.startedAt, 'Worker.started_at'),
    leaseTtlMs: integerFromProto(message.leaseTtlMs, 'Worker.lease_ttl_ms'),
    version: message.version,
    isDraining: message.draining,
    labels: message.labels,
    served: message.served.map(({ flow, version, continues, remote }) => ({
      flow,
      version,
      continues,
      remote,
    })),
  };
}

export function workerViewToProto(view: WorkerViewFields): WorkerListing {
  return create(WorkerListingSchema, {
    worker: workerToProto(view.info),
    claims: view.claims,
    isLive: view.isLive,
  });
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a worker's listing. */
export function workerViewFromProto(message: WorkerListing): WorkerViewFields {
  return {
    info: workerFromProto(required(message.worker, 'WorkerListing.worker')),
    claims: message.claims,
    isLive: message.isLive,
  };
}

const codec: RecordCodec<WorkerFields> = recordCodec({
  schema: WorkerSchema,
  toProto: workerToProto,
  fromProto: workerFromProto,
});

/** A worker's record as it is stored. */
export function encodeWorker(worker: WorkerFields): Uint8Array {
  return codec.encode(worker);
}

/** Throws HoldfastError INTERNAL naming the record, and `place` if given, for damaged bytes. */
export function decodeWorker(bytes: Uint8Array, place?: string): WorkerFields {
  return codec.decode(bytes, place);
}
