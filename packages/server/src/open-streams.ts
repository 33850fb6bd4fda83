/**
 * The streams that are open on the server, so that it can end them when it stops.
 *
 * S1. Every stream is ended with UNAVAILABLE, whoever serves it: a watch of ours, a health watch,
 *     reflection. Clients take that for "open it again elsewhere".
 * S2. A stream that opens while the server stops is ended at once.
 */
import {
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { UnavailableError } from '@holdfast/core';
import { toGrpcError } from './grpc-error.ts';

/** Knows the open streams; see the head of this file. */
export class OpenStreams {
  readonly #open = new Set<ServerInterceptingCallInterface>();
  #isEnding = false;

  /** Sees every call of the server; keeps those that stream. */
  readonly interceptor: ServerInterceptor = (method, call) => {
    if (!method.requestStream && !method.responseStream) return new ServerInterceptingCall(call);
    this.#open.add(call);
    const close = (): void => void this.#open.delete(call);
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onCancel: close,
        });
        if (this.#isEnding) end(call); // S2
      },
      sendStatus: (status, next) => {
        close();
        next(status);
      },
    });
  };

  get count(): number {
    return this.#open.size;
  }

  /** Ends every stream (S1), and from now on those that open. */
  endAll(): void {
    this.#isEnding = true;
    for (const call of this.#open) end(call);
    this.#open.clear();
  }
}

function end(call: ServerInterceptingCallInterface): void {
  const { code, details, metadata } = toGrpcError(
    new UnavailableError('the server is shutting down; open the stream again'),
  );
  call.sendStatus({ code, details, metadata });
}
