import type { VirtualClock } from '@holdfast/core';
import type { RealWork } from './real-work.ts';

/** Looks without any timer after which a run is taken to hang. */
const IDLE_LOOKS_MAX = 100;

/**
 * Moves the clock from timer to timer until the promise has settled, and returns what it resolves to.
 * Time stands still while `work` holds it. Throws when nothing is left that could settle the promise.
 */
export async function driveVirtually<Value>(
  promise: Promise<Value>,
  clock: VirtualClock,
  work?: RealWork,
): Promise<Value> {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  const settled = promise.then(settle, settle);
  for (let idle = 0; !isSettled; ) {
    await turn();
    if (isSettled) break;
    if (work?.holdsTime) {
      await work.pause(settled);
      idle = 0;
    } else if (await clock.advanceToNextTimer()) {
      idle = 0;
    } else if (++idle > IDLE_LOOKS_MAX) {
      throw new Error(
        'the run waits, and no timer is left that could wake it; user code that waits for the ' +
          'outside world has to be replaced, or needs more patience',
      );
    }
  }
  return await promise;
}

/** Lets every promise that is already settled run its continuations. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
