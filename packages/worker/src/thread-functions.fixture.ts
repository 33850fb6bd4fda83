// What the thread pool's tests run in threads. Tests and functions talk through shared memory, which
// works while a function computes.
import { once } from 'node:events';
import { RetryLaterError, TerminalError } from '@holdfast/core';
import type { ThreadContext } from './thread-context.ts';

/** Memory that a test and a function share: GO lets the function end, TURNS counts its turns. */
export const GO = 0;
export const TURNS = 1;

export function createCells(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
}

/** Waits until a function has taken a turn. */
export async function untilTurning(cells: Int32Array, above = 0): Promise<void> {
  while (Atomics.load(cells, TURNS) <= above) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

export function double({ count }: { readonly count: number }): { readonly count: number } {
  return { count: count * 2 };
}

/** Computes without a pause until the test lets it go. */
export function spin({ cells }: { readonly cells: Int32Array }): { readonly turns: number } {
  while (Atomics.load(cells, GO) === 0) Atomics.add(cells, TURNS, 1);
  return { turns: Atomics.load(cells, TURNS) };
}

/** The same, and tells at every turn how far it is and that it goes on. */
export function spinLoudly(
  { cells, from }: { readonly cells: Int32Array; readonly from: number },
  ctx: ThreadContext,
): void {
  while (Atomics.load(cells, GO) === 0) {
    const turn = Atomics.add(cells, TURNS, 1);
    ctx.heartbeat();
    ctx.progress(from + Math.min(turn, 1000) / 10_000, `turn ${turn}`);
    ctx.recordError(new RangeError(`error ${turn}`));
  }
  ctx.progress(1, 'done');
}

export function reportNonsense(_args: unknown, ctx: ThreadContext): void {
  ctx.progress(7);
}

/** What reaches a thread of the context. */
export function describeContext(_args: unknown, ctx: ThreadContext): Record<string, unknown> {
  const { idempotencyKey, fence, attempt, jobId, task } = ctx;
  return { idempotencyKey, fence, attempt, try: ctx.try, jobId, task };
}

/** Waits for its signal, and says that it came. */
export async function waitForAbort(
  { cells }: { readonly cells: Int32Array },
  { signal }: ThreadContext,
): Promise<void> {
  const aborted = once(signal, 'abort');
  Atomics.add(cells, TURNS, 1);
  await aborted;
  const reason: unknown = signal.reason;
  throw new Error('stopped in order', { cause: reason });
}

class QuotaError extends Error {}

export class DiskQuotaError extends QuotaError {
  override readonly name: string = 'disk-quota';
}

export class NoSuchRevisionError extends TerminalError {
  override readonly name: string = 'NoSuchRevisionError';
}

export function throwQuota({ cells }: { readonly cells?: Int32Array | undefined }): never {
  if (cells) Atomics.add(cells, TURNS, 1);
  const cause = new TypeError('inner', { cause: new RangeError('innermost', { cause: 42 }) });
  throw new DiskQuotaError('the disk is full', { cause });
}

export function throwTerminal({ cells }: { readonly cells?: Int32Array | undefined }): never {
  if (cells) Atomics.add(cells, TURNS, 1);
  throw new NoSuchRevisionError('deadbeef', { cause: new Error('404') });
}

export function throwRetryLater(): never {
  throw new RetryLaterError('busy', { afterMs: 1234, cause: new Error('503') });
}

export function throwText(): never {
  // oxlint-disable-next-line typescript/only-throw-error -- What some libraries do.
  throw 'just a text';
}

export function returnFunction(): () => void {
  return () => undefined;
}

export function exit(): never {
  process.exit(7);
}

/** Dies in its first try, and does its work in the second. */
export function exitOnce(_args: unknown, ctx: ThreadContext): { readonly lived: number } {
  if (ctx.try === 1) process.exit(7);
  return { lived: ctx.try };
}

/** Throws where nothing catches it, once it has returned. */
export function leaveBomb(): void {
  setImmediate(() => {
    throw new Error('too late');
  });
}

export function exhaustMemory(): never {
  const hoard: unknown[] = [];
  for (;;) hoard.push(Array.from({ length: 10_000 }, (_, index) => ({ index })));
}

export const notAFunction = 1;
