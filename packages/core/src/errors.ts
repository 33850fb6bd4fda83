/**
 * Every failure that Holdfast itself raises is a {@link HoldfastError} with one of the codes below.
 * Losing a race isn't a failure: operations that can lose one return a value that says so.
 */

/** What a caller can expect from trying again. */
export type RetryAdvice =
  /** The same call fails again: change the call. */
  | 'never'
  /** The same call may succeed after a pause, and repeating it does no harm. */
  | 'backoff'
  /** Read the state again first: what happened isn't known, or the state has moved on. */
  | 'reread';

/** One row of {@link ERROR_TABLE}. */
export interface ErrorTableRow {
  /** Name of the gRPC status code. */
  readonly grpc: string;
  /** Exit status of the `holdfast` command. */
  readonly exit: number;
  readonly retry: RetryAdvice;
  /** One sentence for the docs. */
  readonly meaning: string;
}

/** The closed set of error codes. */
export type ErrorCode =
  | 'INVALID_ARGUMENT'
  | 'PAYLOAD_TOO_LARGE'
  | 'WIRING'
  | 'STORE_URL'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'FAILED_PRECONDITION'
  | 'UNAUTHENTICATED'
  | 'UNAVAILABLE'
  | 'OUTCOME_UNKNOWN'
  | 'RESOURCE_EXHAUSTED'
  | 'DEADLINE_EXCEEDED'
  | 'CANCELLED'
  | 'CLAIM_LOST'
  | 'SESSION_LOST'
  | 'JOB_FAILED'
  | 'TASK_TIMEOUT'
  | 'INTERNAL';

/**
 * Code → gRPC status → exit status → retry advice. The same table stands in packages/core/README.md,
 * and a test holds the two together.
 */
export const ERROR_TABLE: Readonly<Record<ErrorCode, ErrorTableRow>> = {
  INVALID_ARGUMENT: {
    grpc: 'INVALID_ARGUMENT',
    exit: 2,
    retry: 'never',
    meaning:
      'A field of the request is wrong; every wrong field is named with its value and what is allowed.',
  },
  PAYLOAD_TOO_LARGE: {
    grpc: 'INVALID_ARGUMENT',
    exit: 2,
    retry: 'never',
    meaning: 'A payload is larger than the limit; the error gives its size and the limit.',
  },
  WIRING: {
    grpc: 'INVALID_ARGUMENT',
    exit: 2,
    retry: 'never',
    meaning:
      'A flow is wired wrongly: a requirement is missing, ambiguous or cyclic, or a name is used twice.',
  },
  STORE_URL: {
    grpc: 'INVALID_ARGUMENT',
    exit: 2,
    retry: 'never',
    meaning: 'The store URL could not be understood.',
  },
  NOT_FOUND: {
    grpc: 'NOT_FOUND',
    exit: 3,
    retry: 'never',
    meaning: 'The job, flow or worker named in the request is not there.',
  },
  ALREADY_EXISTS: {
    grpc: 'ALREADY_EXISTS',
    exit: 4,
    retry: 'never',
    meaning: 'The idempotency key belongs to a job with other content; nothing was changed.',
  },
  FAILED_PRECONDITION: {
    grpc: 'FAILED_PRECONDITION',
    exit: 5,
    retry: 'never',
    meaning: 'The job or worker is not in a state that allows the request.',
  },
  UNAUTHENTICATED: {
    grpc: 'UNAUTHENTICATED',
    exit: 6,
    retry: 'never',
    meaning:
      'The request carries no token or a wrong one, or the server asks for a client certificate.',
  },
  UNAVAILABLE: {
    grpc: 'UNAVAILABLE',
    exit: 7,
    retry: 'backoff',
    meaning:
      'The store or the server cannot be reached, or is shutting down; nothing was changed by this call.',
  },
  OUTCOME_UNKNOWN: {
    grpc: 'UNAVAILABLE',
    exit: 7,
    retry: 'reread',
    meaning:
      'The answer to a write was lost; it may or may not have happened. Posts with an idempotency key can be repeated safely.',
  },
  RESOURCE_EXHAUSTED: {
    grpc: 'RESOURCE_EXHAUSTED',
    exit: 8,
    retry: 'backoff',
    meaning: 'More is asked for at once than the server or the store takes.',
  },
  DEADLINE_EXCEEDED: {
    grpc: 'DEADLINE_EXCEEDED',
    exit: 9,
    retry: 'reread',
    meaning: 'The caller’s deadline passed, or a deadline of the job did.',
  },
  CANCELLED: {
    grpc: 'CANCELLED',
    exit: 10,
    retry: 'never',
    meaning: 'The caller gave up, or the job was cancelled.',
  },
  CLAIM_LOST: {
    grpc: 'ABORTED',
    exit: 11,
    retry: 'never',
    meaning:
      'A write was refused because its attempt no longer holds the claim; the job belongs to a newer attempt.',
  },
  SESSION_LOST: {
    grpc: 'ABORTED',
    exit: 11,
    retry: 'never',
    meaning: 'The lease of this worker has ended or can no longer be trusted.',
  },
  JOB_FAILED: {
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
    retry: 'never',
    meaning: 'The job ended FAILED or DEAD; the error carries the flow’s failure.',
  },
  TASK_TIMEOUT: {
    grpc: 'DEADLINE_EXCEEDED',
    exit: 9,
    retry: 'never',
    meaning: 'A task ran longer than its timeout.',
  },
  INTERNAL: {
    grpc: 'INTERNAL',
    exit: 70,
    retry: 'never',
    meaning: 'A defect of Holdfast or of the store’s data; please report it.',
  },
};

/** Ids an error is about, for logs and for people. */
export type ErrorIds = Readonly<Record<string, string>>;

export interface HoldfastErrorOptions {
  readonly ids?: ErrorIds | undefined;
  readonly cause?: unknown;
}

/** The base of all failures that Holdfast raises. `message` says what happened, to what, and what to do. */
export class HoldfastError extends Error {
  override readonly name: string = 'HoldfastError';
  readonly code: ErrorCode;
  readonly ids: ErrorIds;

  constructor(code: ErrorCode, message: string, options: HoldfastErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.ids = options.ids ?? {};
  }

  /** What repeating the call would do; see {@link RetryAdvice}. */
  get retryAdvice(): RetryAdvice {
    return ERROR_TABLE[this.code].retry;
  }

  /** True when repeating the same call after a pause may succeed and does no harm. */
  get retryable(): boolean {
    return this.retryAdvice === 'backoff';
  }
}

/** One wrong field of a request. */
export interface FieldViolation {
  /** Path of the field as the API names it, such as `input.revision` or `jobs[3].priority`. */
  readonly field: string;
  /** What was wrong and what is allowed. */
  readonly description: string;
}

/** One or more fields of a request are wrong. */
export class InvalidArgumentError extends HoldfastError {
  override readonly name: string = 'InvalidArgumentError';
  readonly violations: readonly FieldViolation[];

  constructor(field: string, problem: { readonly value: unknown; readonly allowed: string });
  constructor(violations: readonly FieldViolation[]);
  constructor(
    fieldOrViolations: string | readonly FieldViolation[],
    problem?: { readonly value: unknown; readonly allowed: string },
  ) {
    const violations =
      typeof fieldOrViolations === 'string'
        ? [{ field: fieldOrViolations, description: describeProblem(problem) }]
        : fieldOrViolations;
    super('INVALID_ARGUMENT', violations.map((v) => `${v.field}: ${v.description}`).join('; '));
    this.violations = violations;
  }
}

/** A payload is larger than Holdfast or the store takes. */
export class PayloadTooLargeError extends HoldfastError {
  override readonly name: string = 'PayloadTooLargeError';
  readonly field: string;
  readonly sizeBytes: number;
  readonly limitBytes: number;

  constructor(field: string, size: { readonly sizeBytes: number; readonly limitBytes: number }) {
    super(
      'PAYLOAD_TOO_LARGE',
      `${field} has ${size.sizeBytes} bytes, the limit is ${size.limitBytes}; ` +
        'store large data elsewhere and pass a reference to it',
    );
    this.field = field;
    this.sizeBytes = size.sizeBytes;
    this.limitBytes = size.limitBytes;
  }
}

/** One thing that is wrong with the wiring of a flow. */
export interface WiringProblem {
  readonly kind: 'missing' | 'ambiguous' | 'cyclic' | 'duplicate' | 'unknown' | 'limit';
  readonly message: string;
}

/** A flow is wired wrongly; it can't be registered or run. */
export class WiringError extends HoldfastError {
  override readonly name: string = 'WiringError';
  readonly problems: readonly WiringProblem[];

  constructor(flow: string, problems: readonly WiringProblem[]) {
    super('WIRING', `flow ${flow} is wired wrongly: ${problems.map((p) => p.message).join('; ')}`, {
      ids: { flow },
    });
    this.problems = problems;
  }
}

/** A store URL that can't be understood. */
export class StoreUrlError extends HoldfastError {
  override readonly name: string = 'StoreUrlError';
  constructor(url: string, problem: string) {
    super(
      'STORE_URL',
      `store URL ${JSON.stringify(url)}: ${problem}; allowed: sqlite:PATH, ` +
        'etcd://HOST:PORT[,HOST:PORT…][/PREFIX], zk://HOST:PORT[,HOST:PORT…][/PREFIX], memory:',
    );
  }
}

/** A job, flow or worker isn't there. */
export class NotFoundError extends HoldfastError {
  override readonly name: string = 'NotFoundError';
  constructor(message: string, options: HoldfastErrorOptions = {}) {
    super('NOT_FOUND', message, options);
  }
}

/** The idempotency key belongs to a job with other content. */
export class AlreadyExistsError extends HoldfastError {
  override readonly name: string = 'AlreadyExistsError';
  constructor(message: string, options: HoldfastErrorOptions = {}) {
    super('ALREADY_EXISTS', message, options);
  }
}

/** The job or worker isn't in a state that allows what was asked. */
export class FailedPreconditionError extends HoldfastError {
  override readonly name: string = 'FailedPreconditionError';
  constructor(message: string, options: HoldfastErrorOptions = {}) {
    super('FAILED_PRECONDITION', message, options);
  }
}

/** The store or the server can't be reached; nothing was changed by this call. */
export class UnavailableError extends HoldfastError {
  override readonly name: string = 'UnavailableError';
  constructor(message: string, options: HoldfastErrorOptions = {}) {
    super('UNAVAILABLE', message, options);
  }
}

/** The answer to a write was lost: it may or may not have happened. */
export class OutcomeUnknownError extends HoldfastError {
  override readonly name: string = 'OutcomeUnknownError';
  constructor(message: string, options: HoldfastErrorOptions = {}) {
    super('OUTCOME_UNKNOWN', message, options);
  }
}

/** A write was refused because its attempt no longer holds the claim. */
export class ClaimLostError extends HoldfastError {
  override readonly name: string = 'ClaimLostError';
  constructor(jobId: string, what: string) {
    super(
      'CLAIM_LOST',
      `job ${jobId}: ${what} was refused, because this attempt no longer holds the claim; ` +
        'a newer attempt owns the job, so stop working on it',
      { ids: { jobId } },
    );
  }
}

/** The lease of this worker has ended or can no longer be trusted. */
export class SessionLostError extends HoldfastError {
  override readonly name: string = 'SessionLostError';
  constructor(message: string, options: HoldfastErrorOptions = {}) {
    super('SESSION_LOST', message, options);
  }
}

/**
 * Thrown by a user's task: this failure is final, don't try the task again.
 * @example throw new TerminalError('revision deadbeef does not exist');
 */
export class TerminalError extends Error {
  override readonly name: string = 'TerminalError';
}

/**
 * Thrown by a user's task: try again, but not before `afterMs` milliseconds from now. It counts as
 * a try of the task's retry policy.
 */
export class RetryLaterError extends Error {
  override readonly name: string = 'RetryLaterError';
  readonly afterMs: number;

  constructor(message: string, options: { readonly afterMs: number; readonly cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.afterMs = options.afterMs;
  }
}

/** Normalises whatever was thrown into a {@link HoldfastError}; used at every boundary. */
export function fromUnknown(thrown: unknown): HoldfastError {
  if (thrown instanceof HoldfastError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new HoldfastError('INTERNAL', message, { cause: thrown });
}

function describeProblem(
  problem: { readonly value: unknown; readonly allowed: string } | undefined,
): string {
  if (!problem) return 'is not allowed';
  return `${formatValue(problem.value)} is not allowed; allowed: ${problem.allowed}`;
}

/** A value as an error message shows it; long ones are shortened, visibly. */
function formatValue(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 120 ? `${text.slice(0, 120)}… (${text.length} characters)` : text;
}
