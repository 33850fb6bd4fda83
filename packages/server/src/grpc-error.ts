import { Metadata, type status } from '@grpc/grpc-js';
import { fromUnknown, type HoldfastError, type Logger } from '@holdfast/core';
import { ERROR_DETAILS_TRAILER, errorToStatus } from '@holdfast/wire';

/** An error as grpc-js sends it: status, message, and the details trailer. */
export interface GrpcError extends Error {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

export function toGrpcError(error: HoldfastError): GrpcError {
  const status = errorToStatus(error);
  const metadata = new Metadata();
  metadata.set(ERROR_DETAILS_TRAILER, Buffer.from(status.details));
  return Object.assign(new Error(status.message), {
    code: status.code,
    details: status.message,
    metadata,
  });
}

/**
 * Whatever a call threw, as grpc-js sends it. A defect is logged with its cause; what the caller did
 * wrong, or what passes by itself, is the caller's to see.
 */
export function refusal(thrown: unknown, logger: Logger): GrpcError {
  const error = fromUnknown(thrown);
  if (error.code === 'INTERNAL') logger.error({ ...error.ids, err: thrown }, 'a call failed');
  else logger.debug({ ...error.ids, code: error.code }, error.message);
  return toGrpcError(error);
}
