import { create } from '@bufbuild/protobuf';
import { createUniqueId, type JobId, type JobStatus } from '@holdfast/core';
import {
  grpcServiceDefinition,
  JobService,
  jobStatusFromProto,
  payloadToProto,
  SignalJobRequestSchema,
} from '@holdfast/wire';
import type { Channel } from './channel.ts';
import type { SignalOptions } from './client-settings.ts';
import { checkKey, jsonPayload } from './json-payload.ts';
import { present } from './present.ts';

const { signalJob: METHOD } = grpcServiceDefinition(JobService);

/** A signal that was sent. */
export interface SentSignal {
  /** Its number among the signals of the job, from 1. */
  readonly seq: number;
  /** False when the idempotency key had been used for the same signal before. */
  readonly created: boolean;
  /** The job after it. */
  readonly status: JobStatus;
}

/** Sends a signal, under a key of its own unless the caller gives one. */
export async function signalJob(
  channel: Channel,
  signal: {
    readonly id: JobId;
    readonly name: string;
    readonly payload: unknown;
    readonly options: SignalOptions;
  },
): Promise<SentSignal> {
  const { id, name, options } = signal;
  const { idempotencyKey = createUniqueId(channel) } = options;
  checkKey(idempotencyKey, 'idempotency_key');
  const payload = payloadToProto(jsonPayload(signal.payload, 'payload'));
  const request = create(SignalJobRequestSchema, { id, name, payload, idempotencyKey });
  const { seq, created, status } = await channel.unary(METHOD, request, {
    ...options,
    isIdempotent: idempotencyKey !== '',
  });
  return { seq, created, status: jobStatusFromProto(present(status, 'status')) };
}
