import { decodeJson, type Logger } from '@holdfast/core';
import type { FlowListener } from './listener.ts';

/** Logs every transition at debug, non-fatal errors and the end of an attempt at info. */
export function loggingListener(options: {
  readonly logger: Logger;
  /** Log what tasks provided too, secrets masked. Default: false. */
  readonly values?: boolean | undefined;
}): FlowListener {
  const { logger, values = false } = options;
  return {
    name: 'logging',
    onEvent: (event) => {
      const { flow, jobId, attempt } = event;
      const fields = { flow, jobId, attempt };
      switch (event.kind) {
        case 'transition': {
          const { task, from, to, record } = event;
          const provided = values && to === 'success' && record.result;
          const shown = provided ? { provided: decodeJson(provided) } : {};
          return logger.debug({ ...fields, task, from, to, ...shown }, 'task changed its state');
        }
        case 'recordedError':
          return logger.info(
            { ...fields, task: event.task, error: event.error.failure },
            'task recorded an error',
          );
        case 'ended':
          return logger.info({ ...fields, end: event.end, error: event.failure }, 'flow ended');
        case 'started':
          return logger.debug(fields, 'flow started');
        case 'dropped':
          return logger.warn({ ...fields, count: event.count }, 'events were dropped');
        default:
          return event satisfies never;
      }
    },
  };
}

/** How long one task took, from its start to where it got. */
export interface TaskTiming {
  readonly flow: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly task: string;
  readonly kind: 'execute' | 'revert';
  readonly outcome: 'success' | 'failure';
  readonly durationMs: number;
}

/** Tells how long each execution and each revert took. */
export function timingListener(options: {
  readonly onTiming: (timing: TaskTiming) => void | PromiseLike<void>;
}): FlowListener {
  /** When each task that runs started, by job and task. */
  const started = new Map<string, number>();
  return {
    name: 'timing',
    onEvent: async (event) => {
      if (event.kind === 'ended') {
        for (const key of started.keys())
          if (key.startsWith(`${event.jobId} `)) started.delete(key);
      }
      if (event.kind !== 'transition') return;
      const { flow, jobId, attempt, task, to, atUnixMs } = event;
      const key = `${jobId} ${task}`;
      if (to === 'running' || to === 'reverting') return void started.set(key, atUnixMs);
      const startedAt = started.get(key);
      started.delete(key);
      if (startedAt === undefined) return;
      const kind = event.from === 'reverting' ? 'revert' : 'execute';
      const outcome = to === 'success' || to === 'reverted' ? 'success' : 'failure';
      const durationMs = atUnixMs - startedAt;
      await options.onTiming({ flow, jobId, attempt, task, kind, outcome, durationMs });
    },
  };
}
