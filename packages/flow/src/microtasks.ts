/**
 * Calls back once every promise that is settled by now has run its continuations, and theirs. No
 * timer fires before that, and nothing is read or written.
 */
export function afterMicrotasks(callback: () => void): void {
  // Within a microtask, because ticks that are asked for there come after the last one.
  queueMicrotask(() => process.nextTick(callback));
}
