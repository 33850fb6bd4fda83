import { create, type MessageShape } from '@bufbuild/protobuf';
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Board } from '@holdfast/board';
import { type JobId, NotFoundError, type Payload, type TaskChange } from '@holdfast/core';
import {
  type ChangeJobRequest,
  ChangeJobResponseSchema,
  type ForkJobRequest,
  ForkJobResponseSchema,
  jobChangeToProto,
  jobStatusToProto,
} from '@holdfast/wire';
import { parseChange, parseFork } from './change-validation.ts';
import { FieldViolations } from './field-violations.ts';
import type { AdmissionParts } from './post-admission.ts';
import type { PostGate } from './post-gate.ts';
import { type CallContext, type CallParts, unaryCall } from './rpc-call.ts';

/** What operators' changes stand on. */
export interface ChangeParts extends CallParts, AdmissionParts {
  readonly board: Board;
  readonly gate: PostGate;
}

/** The methods by which operators change stopped jobs, by their local names. */
export function createChangeMethods(parts: ChangeParts): UntypedServiceImplementation {
  return {
    changeJob: unaryCall(parts, (request: ChangeJobRequest, call) => change(parts, request, call)),
    forkJob: unaryCall(parts, (request: ForkJobRequest, call) => fork(parts, request, call)),
  };
}

async function change(
  parts: ChangeParts,
  request: ChangeJobRequest,
  call: CallContext,
): Promise<MessageShape<typeof ChangeJobResponseSchema>> {
  const { id, change: asked } = parseChange(request, parts.schemas);
  const bytes = asked.changes.reduce((sum, each) => sum + bytesOf(each), 0);
  const result = await parts.gate.pass({ jobs: 1, bytes }, async () => {
    call.throwIfEnded();
    return await parts.board.change(id, asked);
  });
  return create(ChangeJobResponseSchema, {
    change: jobChangeToProto(result.change),
    status: jobStatusToProto(result.status),
  });
}

async function fork(
  parts: ChangeParts,
  request: ForkJobRequest,
  call: CallContext,
): Promise<MessageShape<typeof ForkJobResponseSchema>> {
  const { id, fork: asked } = parseFork(request, parts.schemas);
  if (asked.input) await checkInput(parts, id, asked.input);
  const load = { jobs: 1, bytes: asked.input?.data.length ?? 0 };
  const result = await parts.gate.pass(load, async () => {
    call.throwIfEnded();
    return await parts.board.fork(id, asked);
  });
  if (result.kind === 'refused') throw result.error;
  return create(ForkJobResponseSchema, { id: result.id, created: result.created });
}

function bytesOf(change: TaskChange): number {
  return 'values' in change ? (change.values?.data.length ?? 0) : 0;
}

/** Another input has to be one that the job's flow takes. */
async function checkInput(parts: ChangeParts, id: JobId, input: Payload): Promise<void> {
  const view = await parts.board.getJob(id);
  if (!view) throw new NotFoundError(`there is no job ${id}`, { ids: { jobId: id } });
  const flow = await parts.flows.find(view.spec.flow);
  if (!flow) return; // The board says so, in its own words.
  const violations = new FieldViolations();
  parts.schemas.check(input, flow, { violations, path: 'input' });
  violations.throwIfAny();
}
