import { create } from '@bufbuild/protobuf';
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Board } from '@holdfast/board';
import { parseName } from '@holdfast/core';
import {
  flowViewToProto,
  type GetFlowRequest,
  GetFlowResponseSchema,
  type ListFlowsRequest,
  ListFlowsResponseSchema,
} from '@holdfast/wire';
import type { FlowDirectory } from './flow-directory.ts';
import { parsePage } from './listing-validation.ts';
import { type CallParts, unaryCall } from './rpc-call.ts';

/** What the service stands on. */
export interface FlowServiceParts extends CallParts {
  readonly board: Board;
  readonly flows: FlowDirectory;
}

/** FlowService, by the local names of its methods. */
export function createFlowService(parts: FlowServiceParts): UntypedServiceImplementation {
  const { board, flows } = parts;
  return {
    listFlows: unaryCall(parts, async (request: ListFlowsRequest) => {
      const { items, nextPageToken } = await board.listFlows(parsePage(request));
      return create(ListFlowsResponseSchema, {
        flows: items.map(flowViewToProto),
        nextPageToken: nextPageToken ?? '',
      });
    }),
    getFlow: unaryCall(parts, async (request: GetFlowRequest) => {
      const name = parseName(request.name, 'name');
      const view = await board.getFlow(name);
      if (!view) throw await flows.unknown([name]);
      return create(GetFlowResponseSchema, { flow: flowViewToProto(view) });
    }),
  };
}
