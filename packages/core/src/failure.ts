import { LIMITS } from './limits.ts';

/**
 * What was thrown, as it is recorded: it outlives the process that threw it.
 */
export interface Failure {
  /** Class name, such as `TypeError`. */
  readonly type: string;
  readonly message: string;
  /** Stack trace; empty when what was thrown had none. */
  readonly stack: string;
  /** The task that failed; absent when the flow as a whole did. */
  readonly task?: string | undefined;
  /** The chain of causes, nearest first. */
  readonly causes: readonly FailureCause[];
}

export interface FailureCause {
  readonly type: string;
  readonly message: string;
}

// A chain of causes may be a ring; nobody reads further than this.
const MAX_CAUSES = 10;

/** Records what was thrown. Over-long text is cut, and says that it was and by how much. */
export function toFailure(thrown: unknown, task?: string): Failure {
  const causes: FailureCause[] = [];
  let cause = thrown instanceof Error ? thrown.cause : undefined;
  while (cause !== undefined && causes.length < MAX_CAUSES) {
    causes.push(describeThrown(cause));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : '';
  return {
    ...describeThrown(thrown),
    stack: shorten(stack, LIMITS.failureStackLength),
    ...(task === undefined ? {} : { task }),
    causes,
  };
}

function describeThrown(thrown: unknown): FailureCause {
  if (thrown instanceof Error) {
    return {
      type: thrown.name,
      message: shorten(thrown.message, LIMITS.failureMessageLength),
    };
  }
  return {
    type: typeof thrown,
    message: shorten(printThrown(thrown), LIMITS.failureMessageLength),
  };
}

function printThrown(thrown: unknown): string {
  try {
    return typeof thrown === 'string' ? thrown : (JSON.stringify(thrown) ?? typeof thrown);
  } catch {
    // What was thrown can't even be printed (a cycle, a throwing toString); its type has to do.
    return `a value of type ${typeof thrown} that cannot be printed`;
  }
}

/** Cuts over-long text, and says that it was and by how much. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return `${text.slice(0, limit)}… [${text.length - limit} more characters not kept]`;
}
