/** Thrown when Holdfast's own code is wrong; never caught, so that the process stops. */
export class AssertionError extends Error {
  override readonly name: string = 'AssertionError';
}

/** Checks something that can only be false when the program is wrong. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}
