import { type CallOutcome, type FailedCall, unusable } from './call-outcome.ts';

/**
 * Runs user code, and then what it returned for that: what brings its result into its final form, which
 * fails every time or never. `what` names the result in words.
 */
export async function performCall(
  run: () => Promise<() => unknown>,
  what: string,
): Promise<CallOutcome<unknown>> {
  let finish: () => unknown;
  try {
    finish = await run();
  } catch (thrown) {
    return { kind: 'failure', thrown, isFinal: false };
  }
  try {
    return { kind: 'success', value: await finish() };
  } catch (error) {
    return finalFailure(what, error);
  }
}

/** A failure around user code, which another try would only repeat. */
export function finalFailure(what: string, error: unknown): FailedCall {
  return { kind: 'failure', thrown: unusable(what, error), isFinal: true };
}
