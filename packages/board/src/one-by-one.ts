// Upkeep of many jobs at once, in which one broken job doesn't hold up the others.
import { fromUnknown, HoldfastError, type JobId, type Logger } from '@holdfast/core';

/** Logs a job that upkeep passes over; the doctor says more. */
export function passOver(logger: Logger): (id: JobId, error: HoldfastError) => void {
  return (jobId, { code, message }) => {
    logger.error({ jobId, code, error: message }, 'this job is passed over; run holdfast doctor');
  };
}

/**
 * Acts on one job. A failure of the store that passes is the caller's; any other is this job's own,
 * and is logged.
 */
export async function actOnJob(
  logger: Logger,
  id: JobId,
  act: () => Promise<boolean>,
): Promise<boolean> {
  try {
    return await act();
  } catch (thrown) {
    const error = fromUnknown(thrown);
    if (!(thrown instanceof HoldfastError) || error.retryAdvice !== 'never') throw thrown;
    passOver(logger)(id, error);
    return false;
  }
}
