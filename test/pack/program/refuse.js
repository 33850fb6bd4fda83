// Runs in a thread: JavaScript, as a build leaves it.
import { TerminalError } from '@holdfast/core';

export function refuse() {
  throw new TerminalError('refused');
}
