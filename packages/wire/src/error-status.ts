/**
 * Errors on the wire: a {@link HoldfastError} as a gRPC status with google.rpc details, and back.
 *
 * E1. A code of the error table arrives as the same code, with its ids and its field violations.
 * E2. A status with no details of ours comes from something between client and server. Whether the
 *     call took effect isn't known then, so it is never read as "nothing was changed".
 * E3. Status and details fit into the 8 KiB of headers that every gRPC implementation accepts.
 *     What didn't fit is counted in the message, never left out silently.
 */
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { anyPack, anyUnpack, durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import {
  AlreadyExistsError,
  ERROR_TABLE,
  type ErrorCode,
  type ErrorIds,
  FailedPreconditionError,
  type FieldViolation,
  HoldfastError,
  InvalidArgumentError,
  NotFoundError,
  OutcomeUnknownError,
  PayloadTooLargeError,
  SessionLostError,
  UnavailableError,
} from '@holdfast/core';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from './gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from './gen/google/rpc/status_pb.ts';

/** The trailer that holds the details. */
export const ERROR_DETAILS_TRAILER = 'grpc-status-details-bin';

/** Numbers of the gRPC status codes. */
export const GRPC_STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** How long the server asks callers to wait before they repeat a call that may succeed then. */
export const RETRY_DELAY_MS = 250;
/** Characters of a status message (E3). */
export const STATUS_MESSAGE_LENGTH = 1024;
/** Characters of the path and of the description of one field violation (E3). */
const VIOLATION_FIELD_LENGTH = 256;
const VIOLATION_DESCRIPTION_LENGTH = 512;
/** Bytes of all field violations of one error (E3); further ones are only counted. */
export const VIOLATIONS_BYTES = 3072;

const DOMAIN = 'holdfast';

/** An error as gRPC sends it. */
export interface ErrorStatus {
  /** Number of the gRPC status code. */
  readonly code: number;
  readonly message: string;
  /** A google.rpc.Status, for the trailer {@link ERROR_DETAILS_TRAILER}. */
  readonly details: Uint8Array;
}

/** What a status tells the caller. */
export interface StatusReading {
  readonly error: HoldfastError;
  /** The server asks to wait this long before the call is repeated. */
  readonly retryAfterMs?: number | undefined;
  /** False when the status doesn't come from Holdfast (E2). */
  readonly isFromHoldfast: boolean;
}

/** An error as a gRPC status with its details. */
export function errorToStatus(error: HoldfastError): ErrorStatus {
  const code = grpcStatusNumber(ERROR_TABLE[error.code].grpc);
  const violations = keepWithin(violationsOf(error), VIOLATIONS_BYTES);
  const text =
    error instanceof InvalidArgumentError
      ? violations.map(({ field, description }) => `${field}: ${description}`).join('; ')
      : error.message;
  const message = shorten(text.toWellFormed(), STATUS_MESSAGE_LENGTH);
  const info: MessageInitShape<typeof ErrorInfoSchema> = {
    reason: error.code,
    domain: DOMAIN,
    metadata: { ...error.ids, ...sizesOf(error) },
  };
  const details = [anyPack(ErrorInfoSchema, create(ErrorInfoSchema, info))];
  if (violations.length > 0) {
    const badRequest = create(BadRequestSchema, { fieldViolations: [...violations] });
    details.push(anyPack(BadRequestSchema, badRequest));
  }
  if (error.retryable) {
    const retryInfo = create(RetryInfoSchema, { retryDelay: durationFromMs(RETRY_DELAY_MS) });
    details.push(anyPack(RetryInfoSchema, retryInfo));
  }
  const status = create(StatusSchema, { code, message, details });
  return { code, message, details: toBinary(StatusSchema, status) };
}

/** The error that a gRPC status other than OK stands for. Never throws: odd details are ignored. */
export function errorFromStatus(status: {
  readonly code: number;
  readonly message: string;
  readonly details?: Uint8Array | undefined;
}): StatusReading {
  const details = status.details && readDetails(status.details);
  if (!details) return { error: foreignError(status), isFromHoldfast: false };
  return {
    error: errorOfCode(details, status.message),
    retryAfterMs: details.retryAfterMs,
    isFromHoldfast: true,
  };
}

interface Details {
  readonly code: ErrorCode;
  readonly metadata: ErrorIds;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;
}

function readDetails(bytes: Uint8Array): Details | undefined {
  try {
    const { details } = fromBinary(StatusSchema, bytes);
    const find = <T>(unpack: (any: (typeof details)[number]) => T | undefined): T | undefined =>
      details.map(unpack).find((found) => found !== undefined);
    const info = find((any) => anyUnpack(any, ErrorInfoSchema));
    if (info?.domain !== DOMAIN || !isErrorCode(info.reason)) return undefined;
    const retryDelay = find((any) => anyUnpack(any, RetryInfoSchema))?.retryDelay;
    return {
      code: info.reason,
      metadata: info.metadata,
      violations:
        find((any) => anyUnpack(any, BadRequestSchema))?.fieldViolations.map(
          ({ field, description }) => ({ field, description }),
        ) ?? [],
      retryAfterMs: retryDelay && durationMs(retryDelay),
    };
  } catch {
    // Details that can't be read are as good as none: the status itself still tells what happened.
    return undefined;
  }
}

function errorOfCode(details: Details, message: string): HoldfastError {
  const { code, metadata: ids, violations } = details;
  switch (code) {
    case 'INVALID_ARGUMENT':
      return violations.length > 0
        ? new InvalidArgumentError(violations)
        : new HoldfastError(code, message, { ids });
    case 'PAYLOAD_TOO_LARGE':
      return new PayloadTooLargeError(ids['field'] ?? 'payload', {
        sizeBytes: Number(ids['sizeBytes']),
        limitBytes: Number(ids['limitBytes']),
      });
    case 'NOT_FOUND':
      return new NotFoundError(message, { ids });
    case 'ALREADY_EXISTS':
      return new AlreadyExistsError(message, { ids });
    case 'FAILED_PRECONDITION':
      return new FailedPreconditionError(message, { ids });
    case 'UNAVAILABLE':
      return new UnavailableError(message, { ids });
    case 'OUTCOME_UNKNOWN':
      return new OutcomeUnknownError(message, { ids });
    case 'SESSION_LOST':
      return new SessionLostError(message, { ids });
    case 'WIRING':
    case 'STORE_URL':
    case 'UNAUTHENTICATED':
    case 'RESOURCE_EXHAUSTED':
    case 'DEADLINE_EXCEEDED':
    case 'CANCELLED':
    case 'CLAIM_LOST':
    case 'JOB_FAILED':
    case 'TASK_TIMEOUT':
    case 'INTERNAL':
      return new HoldfastError(code, message, { ids });
    default:
      return code satisfies never;
  }
}

/** A status that something between client and server made up: a proxy, the network, grpc-js itself. */
function foreignError(status: { readonly code: number; readonly message: string }): HoldfastError {
  const { message } = status;
  switch (status.code) {
    case GRPC_STATUS.INVALID_ARGUMENT:
    case GRPC_STATUS.OUT_OF_RANGE:
      return new HoldfastError('INVALID_ARGUMENT', message);
    case GRPC_STATUS.NOT_FOUND:
      return new NotFoundError(message);
    case GRPC_STATUS.ALREADY_EXISTS:
      return new AlreadyExistsError(message);
    case GRPC_STATUS.FAILED_PRECONDITION:
      return new FailedPreconditionError(message);
    case GRPC_STATUS.UNIMPLEMENTED:
      return new FailedPreconditionError(
        `the server does not offer this call (${message}); is it a Holdfast server, and as new as this client?`,
      );
    case GRPC_STATUS.UNAUTHENTICATED:
    case GRPC_STATUS.PERMISSION_DENIED:
      return new HoldfastError('UNAUTHENTICATED', message);
    case GRPC_STATUS.RESOURCE_EXHAUSTED:
      return new HoldfastError('RESOURCE_EXHAUSTED', message);
    case GRPC_STATUS.DEADLINE_EXCEEDED:
      return new HoldfastError('DEADLINE_EXCEEDED', message);
    default:
      return new OutcomeUnknownError(`the answer of the server was lost: ${message}`);
  }
}

function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_TABLE, text);
}

function grpcStatusNumber(name: string): number {
  // The table's names are those of GRPC_STATUS; a test holds them together.
  return GRPC_STATUS[name as keyof typeof GRPC_STATUS];
}

function violationsOf(error: HoldfastError): readonly FieldViolation[] {
  if (error instanceof InvalidArgumentError) return error.violations;
  if (error instanceof PayloadTooLargeError) {
    return [{ field: error.field, description: error.message }];
  }
  return [];
}

function sizesOf(error: HoldfastError): ErrorIds {
  if (!(error instanceof PayloadTooLargeError)) return {};
  const { field, sizeBytes, limitBytes } = error;
  return { field, sizeBytes: String(sizeBytes), limitBytes: String(limitBytes) };
}

/** The first violations that fit into `limitBytes`, and how many there are besides (E3). */
function keepWithin(
  violations: readonly FieldViolation[],
  limitBytes: number,
): readonly FieldViolation[] {
  const kept: FieldViolation[] = [];
  let sizeBytes = 0;
  for (const violation of violations) {
    const field = shorten(violation.field.toWellFormed(), VIOLATION_FIELD_LENGTH);
    const description = shorten(violation.description.toWellFormed(), VIOLATION_DESCRIPTION_LENGTH);
    sizeBytes += Buffer.byteLength(field) + Buffer.byteLength(description);
    if (sizeBytes > limitBytes) break;
    kept.push({ field, description });
  }
  const omitted = violations.length - kept.length;
  if (omitted > 0) kept.push({ field: '…', description: `${omitted} more fields are wrong` });
  return kept;
}

function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return `${text.slice(0, limit).toWellFormed()}… [${text.length - limit} more characters]`;
}
