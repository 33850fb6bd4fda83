import type { ServiceError } from '@grpc/grpc-js';
import { type HoldfastError, UnavailableError } from '@holdfast/core';
import {
  ERROR_DETAILS_TRAILER,
  errorFromStatus,
  GRPC_STATUS,
  type StatusReading,
} from '@holdfast/wire';

// What grpc-js says when a call never left this process. Another wording only makes the client more
// careful: the outcome counts as unknown then.
const NOT_SENT = [
  'No connection established',
  'Name resolution failed',
  'Channel closed before call started',
  'Stream refused by server',
];

/**
 * What a failed gRPC call means, as the error that the server raised: with its code, its ids and its
 * field violations. A call that was cut off on the way is OUTCOME_UNKNOWN, one that never left is
 * UNAVAILABLE.
 */
export function fromGrpcError(error: ServiceError): HoldfastError {
  return readGrpcError(error).error;
}

/** {@link fromGrpcError}, with what else the status says. */
export function readGrpcError(error: ServiceError): StatusReading {
  const { code, details: message } = error;
  const [details] = error.metadata?.get(ERROR_DETAILS_TRAILER) ?? [];
  const reading = errorFromStatus({
    code,
    message,
    details: typeof details === 'string' ? undefined : details,
  });
  const wasNotSent = NOT_SENT.some((text) => message.startsWith(text));
  if (!reading.isFromHoldfast && code === GRPC_STATUS.UNAVAILABLE && wasNotSent) {
    return { ...reading, error: new UnavailableError(`no server can be reached: ${message}`) };
  }
  return reading;
}

/**
 * True when the failure may pass by itself and the call changed nothing, so that it can be repeated.
 * Of those that Holdfast didn't send, only a call that never left is one: "too large", say, stays so.
 */
export function isPassing({ error, isFromHoldfast }: StatusReading): boolean {
  return error.retryable && (isFromHoldfast || error.code === 'UNAVAILABLE');
}
