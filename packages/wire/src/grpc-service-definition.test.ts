import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import {
  JobService,
  PostJobRequestSchema,
  WatchJobResponseSchema,
} from './gen/holdfast/v1/job_service_pb.ts';
import { grpcServiceDefinition } from './grpc-service-definition.ts';

const definition = grpcServiceDefinition(JobService);

test('every method of the service is defined under its local name', () => {
  expect(Object.keys(definition)).toEqual([
    'postJob',
    'postJobs',
    'getJob',
    'listJobs',
    'watchJob',
    'cancelJob',
    'reviveJob',
    'signalJob',
    'suspendJob',
    'resumeJob',
    'changeJob',
    'forkJob',
  ]);
});

test('the path names the service and the method as the proto file does', () => {
  expect(definition.postJob.path).toBe('/holdfast.v1.JobService/PostJob');
});

test('only the watch streams, and only its responses', () => {
  const streams = Object.values(definition).filter(
    (method) => method.requestStream || method.responseStream,
  );
  expect(streams).toEqual([definition.watchJob]);
  expect(definition.watchJob).toMatchObject({ requestStream: false, responseStream: true });
});

test('requests and responses survive the way there and back', () => {
  const request = create(PostJobRequestSchema, { job: { flow: 'hello', delayMs: 5n } });
  const bytes = definition.postJob.requestSerialize(request);
  expect(Buffer.isBuffer(bytes)).toBe(true);
  expect(definition.postJob.requestDeserialize(bytes)).toEqual(request);

  const response = create(WatchJobResponseSchema, { job: { waitingReason: 'no worker' } });
  const { responseSerialize, responseDeserialize } = definition.watchJob;
  expect(responseDeserialize(responseSerialize(response))).toEqual(response);
});
