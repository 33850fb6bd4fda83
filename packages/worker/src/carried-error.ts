// What was thrown on one side of a thread's boundary, and what is thrown on the other. Structured
// cloning keeps neither an error's own name nor its class, and both decide whether a task is tried
// again: `TerminalError`, `RetryLaterError`, `doNotRetry`.
//
// Kept: class (those two, or else the names of all classes), name, message, stack, and the causes.
// Not kept: other properties, and that an error of a class of the user's is an instance of it.
import { RetryLaterError, TerminalError } from '@holdfast/core';

/** Causes of causes that are carried; a failure records no more. */
const CAUSE_DEPTH_MAX = 10;

/** What was thrown, in a form that can be sent to another thread. */
export type CarriedError =
  | { readonly kind: 'value'; readonly value: unknown }
  | {
      readonly kind: 'error';
      readonly base: ErrorBase;
      /** Names of the classes between the base and the error's own, which comes first. */
      readonly classes: readonly string[];
      readonly name: string;
      readonly message: string;
      readonly stack: string;
      readonly cause: CarriedError | undefined;
    };

/** The class that the other side makes it of. */
type ErrorBase =
  | { readonly kind: 'plain' }
  | { readonly kind: 'terminal' }
  | { readonly kind: 'retry-later'; readonly afterMs: number };

/** Puts what was thrown into a form that can be sent. */
export function packError(thrown: unknown, depth = 0): CarriedError {
  if (!(thrown instanceof Error)) return { kind: 'value', value: toClonable(thrown) };
  const base = baseOf(thrown);
  const hasCause = thrown.cause !== undefined && depth < CAUSE_DEPTH_MAX;
  return {
    kind: 'error',
    base,
    classes: classesAbove(thrown, base),
    name: thrown.name,
    message: thrown.message,
    stack: thrown.stack ?? '',
    cause: hasCause ? packError(thrown.cause, depth + 1) : undefined,
  };
}

/** What to throw on this side for what was thrown on the other. */
export function unpackError(carried: CarriedError): unknown {
  if (carried.kind === 'value') return carried.value;
  const error = createBase(carried);
  let prototype = Object.getPrototypeOf(error) as object; // Of an error that was just made: never null.
  for (const name of carried.classes.toReversed()) prototype = derive(prototype, name);
  Object.setPrototypeOf(error, prototype);
  const hidden = { writable: true, configurable: true, enumerable: false };
  Object.defineProperty(error, 'name', { ...hidden, value: carried.name });
  Object.defineProperty(error, 'stack', { ...hidden, value: carried.stack });
  return error;
}

function baseOf(error: Error): ErrorBase {
  if (error instanceof TerminalError) return { kind: 'terminal' };
  if (error instanceof RetryLaterError) return { kind: 'retry-later', afterMs: error.afterMs };
  return { kind: 'plain' };
}

function createBase(carried: CarriedError & { readonly kind: 'error' }): Error {
  const { base, message } = carried;
  const options = carried.cause === undefined ? {} : { cause: unpackError(carried.cause) };
  switch (base.kind) {
    case 'plain':
      return new Error(message, options);
    case 'terminal':
      return new TerminalError(message, options);
    case 'retry-later':
      return new RetryLaterError(message, { ...options, afterMs: base.afterMs });
    default:
      return base satisfies never;
  }
}

/** Names of an error's classes, its own first, down to the one that the other side has itself. */
function classesAbove(error: Error, base: ErrorBase): readonly string[] {
  const last = prototypeOf(base);
  const names: string[] = [];
  let prototype: unknown = Object.getPrototypeOf(error);
  while (prototype instanceof Error && prototype !== last) {
    names.push(prototype.constructor.name);
    prototype = Object.getPrototypeOf(prototype);
  }
  return names;
}

function prototypeOf(base: ErrorBase): Error {
  switch (base.kind) {
    case 'plain':
      return Error.prototype;
    case 'terminal':
      return TerminalError.prototype;
    case 'retry-later':
      return RetryLaterError.prototype;
    default:
      return base satisfies never;
  }
}

/** The prototype of a class that is known by its name alone. */
function derive(prototype: object, name: string): object {
  const named = class {};
  Object.defineProperty(named, 'name', { value: name });
  return Object.create(prototype, { constructor: { value: named } }) as object; // The new object itself.
}

/** Something that isn't an error, as it is if it can be sent, or else in words. */
function toClonable(thrown: unknown): unknown {
  try {
    return structuredClone(thrown);
  } catch {
    // A function, a symbol, or an object that holds one: no other thread can have it.
    return String(thrown);
  }
}
