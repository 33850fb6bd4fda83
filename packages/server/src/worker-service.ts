import { create } from '@bufbuild/protobuf';
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Board } from '@holdfast/board';
import { parseWorkerId } from '@holdfast/core';
import {
  type DrainWorkerRequest,
  DrainWorkerResponseSchema,
  type ListWorkersRequest,
  ListWorkersResponseSchema,
  workerViewToProto,
} from '@holdfast/wire';
import { parsePage } from './listing-validation.ts';
import { type CallParts, unaryCall } from './rpc-call.ts';

/** What the service stands on. */
export interface WorkerServiceParts extends CallParts {
  readonly board: Board;
}

/** WorkerService, by the local names of its methods. */
export function createWorkerService(parts: WorkerServiceParts): UntypedServiceImplementation {
  const { board } = parts;
  return {
    listWorkers: unaryCall(parts, async (request: ListWorkersRequest) => {
      const { items, nextPageToken } = await board.listWorkers(parsePage(request));
      return create(ListWorkersResponseSchema, {
        workers: items.map(workerViewToProto),
        nextPageToken: nextPageToken ?? '',
      });
    }),
    drainWorker: unaryCall(parts, async (request: DrainWorkerRequest) => {
      await board.drainWorker(parseWorkerId(request.id));
      return create(DrainWorkerResponseSchema, {});
    }),
  };
}
