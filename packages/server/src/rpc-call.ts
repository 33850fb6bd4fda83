/**
 * From a gRPC call to a function of ours and back.
 *
 * C1. A call whose deadline has passed does no work, and its caller learns DEADLINE_EXCEEDED.
 * C2. The signal of a call aborts when its caller is gone, its deadline passes, or the server stops.
 * C3. A handler's promise belongs to the server, which awaits it in `stop`.
 * C4. At most one message of a stream is on its way; the next one is made when that one was taken.
 */
import type {
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerUnaryCall,
  ServerWritableStream,
} from '@grpc/grpc-js';
import { type Clock, HoldfastError, type Logger } from '@holdfast/core';
import { refusal } from './grpc-error.ts';
import type { RunningCalls } from './running-calls.ts';

/** What a handler knows of its call. */
export interface CallContext {
  readonly metadata: Metadata;
  /** C2. */
  readonly signal: AbortSignal;
  /**
   * Throws DEADLINE_EXCEEDED or CANCELLED when nobody waits for the answer any more: called right
   * before a write, so that a caller who gave up finds nothing changed.
   */
  throwIfEnded(): void;
}

/** What calls need of the server. */
export interface CallParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly running: RunningCalls;
}

/** Answers one request. */
export type UnaryHandler<Request, Response> = (
  request: Request,
  context: CallContext,
) => Promise<Response>;

/** Answers one request with messages until it ends. */
export type StreamHandler<Request, Response> = (
  request: Request,
  context: CallContext,
) => AsyncIterable<Response>;

/** A handler with one response, in the form that grpc-js takes. */
export function unaryCall<Request, Response>(
  parts: CallParts,
  handler: UnaryHandler<Request, Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const answer = async (): Promise<void> => {
      try {
        const context = openContext(call, parts.clock);
        context.throwIfEnded(); // C1
        callback(null, await handler(call.request, context));
      } catch (error) {
        callback(refusal(error, parts.logger));
      }
    };
    parts.running.add(answer()); // C3
  };
}

/** A handler with a stream of responses, in the form that grpc-js takes. */
export function streamCall<Request, Response>(
  parts: CallParts,
  handler: StreamHandler<Request, Response>,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    const answer = async (): Promise<void> => {
      const context = openContext(call, parts.clock);
      try {
        context.throwIfEnded(); // C1
        for await (const message of handler(call.request, context)) {
          await send(call, message, context.signal);
        }
        if (!context.signal.aborted) call.end();
      } catch (error) {
        // grpc-js takes the status of a stream from its error event.
        if (!context.signal.aborted) call.emit('error', refusal(error, parts.logger));
      }
    };
    parts.running.add(answer()); // C3
  };
}

type AnyCall = ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>;

function openContext(call: AnyCall, clock: Clock): CallContext {
  const controller = new AbortController();
  const deadline = call.getDeadline();
  const deadlineUnixMs = typeof deadline === 'number' ? deadline : deadline.getTime();
  // grpc-js keeps the time of the deadline itself, answers, and reports it like a caller who left.
  call.on('cancelled', () => controller.abort());
  if (call.cancelled) controller.abort();
  return {
    metadata: call.metadata,
    signal: controller.signal,
    throwIfEnded: () => {
      if (deadlineUnixMs <= clock.nowUnixMs()) {
        throw new HoldfastError(
          'DEADLINE_EXCEEDED',
          'the deadline of the call passed before anything was changed; allow it more time',
        );
      }
      if (controller.signal.aborted) {
        throw new HoldfastError('CANCELLED', 'the caller gave up before anything was changed');
      }
    },
  };
}

/** Resolves when the message was handed to the network, or when the call ended (C4). */
async function send<Response>(
  call: ServerWritableStream<unknown, Response>,
  message: Response,
  signal: AbortSignal,
): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done, { once: true });
    call.write(message, done);
  });
}
