// The wire between a supervisor and the worker process that is its child. The child tells under which
// worker ids it joins and which it has left in order, so that the supervisor knows whom to expel when
// the child is gone. Each message is written to the pipe before the child goes on, so it is read even
// when the child dies right after.
//
// A child whose supervisor dies notices it by the end of the pipe, and drains: a worker that nobody
// watches would only be noticed by its lease when it crashes.
import { HoldfastError, InvalidArgumentError, parseWorkerId, type WorkerId } from '@holdfast/core';

/** The variable by which a supervisor gives its child the id of its first membership. */
export const WORKER_ID_VARIABLE = 'HOLDFAST_WORKER_ID';

/** The child's end of the wire. */
export interface SupervisorLink {
  /** The id that the supervisor chose for the first membership. */
  readonly workerId: WorkerId;
  /** Aborts when the supervisor is gone. */
  readonly orphaned: AbortSignal;
  /** Tells of an id before anybody else can know of it. */
  announce(id: WorkerId): Promise<void>;
  /** Tells that nothing is held under this id any more. */
  left(id: WorkerId): Promise<void>;
  /** Lets go of the pipe, which otherwise keeps the process alive. */
  close(): void;
}

/** What a child sends. */
export type ChildMessage =
  | { readonly kind: 'joining'; readonly workerId: WorkerId }
  | { readonly kind: 'left'; readonly workerId: WorkerId };

/** Reads what came from a child; undefined for anything else that its code may send. */
export function parseChildMessage(message: unknown): ChildMessage | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { holdfast: kind, workerId } = message as Record<string, unknown>; // checked below
  if ((kind !== 'joining' && kind !== 'left') || typeof workerId !== 'string') return undefined;
  return { kind, workerId: parseWorkerId(workerId, 'workerId') };
}

/**
 * Connects this process to its supervisor; undefined when it has none. Call it once, at the start.
 * Throws InvalidArgumentError when there is an id in the environment but no wire, or a malformed id.
 */
export function connectToSupervisor(): SupervisorLink | undefined {
  const id = process.env[WORKER_ID_VARIABLE];
  if (id === undefined) return undefined;
  // Not for processes that this one starts.
  delete process.env[WORKER_ID_VARIABLE];
  const workerId = parseWorkerId(id, WORKER_ID_VARIABLE);
  if (!process.connected) {
    throw new InvalidArgumentError(WORKER_ID_VARIABLE, {
      value: id,
      allowed: 'unset, but for the child of a supervisor',
    });
  }
  const orphaned = new AbortController();
  const onDisconnect = (): void =>
    orphaned.abort(new Error('the supervisor of this worker is gone'));
  process.once('disconnect', onDisconnect);
  return {
    workerId,
    orphaned: orphaned.signal,
    announce: (joining) => send({ holdfast: 'joining', workerId: joining }),
    left: (leaving) => send({ holdfast: 'left', workerId: leaving }),
    close() {
      process.off('disconnect', onDisconnect);
      if (process.connected) process.disconnect();
    },
  };
}

/** Resolves once the message is in the pipe, or there is no reader for it any more. */
async function send(message: Readonly<Record<string, string>>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    if (!process.send || !process.connected) return resolve(); // Orphaned, which drains this worker.
    process.send(message, (error: Error | null) => {
      if (error && process.connected)
        reject(new HoldfastError('INTERNAL', 'the supervisor could not be told', { cause: error }));
      else resolve();
    });
  });
}
