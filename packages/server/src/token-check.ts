import { createHash, timingSafeEqual } from 'node:crypto';
import { type Metadata, ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { HoldfastError } from '@holdfast/core';
import { toGrpcError } from './grpc-error.ts';

const SCHEME = 'Bearer ';
// Health stays open, so that a load balancer or an orchestrator needs no secret.
const OPEN_SERVICE = '/grpc.health.v1.Health/';

/** Lets calls pass that carry `authorization: Bearer <token>`; health checks pass without. */
export function tokenCheck(token: string): ServerInterceptor {
  const expected = digest(token);
  return (method, call) => {
    if (method.path.startsWith(OPEN_SERVICE)) return new ServerInterceptingCall(call);
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, nextMetadata) => {
            const problem = findProblem(metadata, expected);
            if (problem === undefined) return nextMetadata(metadata);
            call.sendStatus(toGrpcError(new HoldfastError('UNAUTHENTICATED', problem)));
          },
        });
      },
    });
  };
}

function findProblem(metadata: Metadata, expected: Buffer): string | undefined {
  const [header] = metadata.get('authorization');
  if (typeof header !== 'string') {
    return 'the call carries no token; send it as metadata "authorization: Bearer <token>"';
  }
  if (!header.startsWith(SCHEME)) {
    return 'the authorization of the call is not of the form "Bearer <token>"';
  }
  // Digests have one length, so that the comparison takes one time whatever was sent.
  const isRight = timingSafeEqual(digest(header.slice(SCHEME.length)), expected);
  return isRight ? undefined : 'the token of the call is not the server’s; check it on both sides';
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
