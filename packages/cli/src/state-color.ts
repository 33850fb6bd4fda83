import type { JobState, TaskState } from '@holdfast/core';
import type { Colors } from './terminal.ts';

/** The name of a job's state, in its colour. */
export function colorJobState(state: JobState, colors: Colors): string {
  switch (state) {
    case 'scheduled':
    case 'ready':
    case 'waiting':
    case 'suspended':
      return colors.yellow(state);
    case 'running':
      return colors.cyan(state);
    case 'succeeded':
      return colors.green(state);
    case 'failed':
    case 'dead':
      return colors.red(state);
    case 'cancelled':
      return colors.dim(state);
    default:
      return state satisfies never;
  }
}

/** The name of a task's state, in its colour. */
export function colorTaskState(state: TaskState, colors: Colors): string {
  switch (state) {
    case 'pending':
    case 'ignore':
      return colors.dim(state);
    case 'running':
      return colors.cyan(state);
    case 'success':
      return colors.green(state);
    case 'failure':
      return colors.red(state);
    case 'reverting':
    case 'reverted':
    case 'retrying':
      return colors.yellow(state);
    case 'revertFailure':
      return colors.red('revert failure');
    default:
      return state satisfies never;
  }
}
