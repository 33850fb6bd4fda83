import type { Failure } from '@holdfast/core';

/** Why a run is stopped before its flow is done. */
export type StopOrder =
  | { readonly kind: 'cancel'; readonly reason: string }
  | { readonly kind: 'deadline'; readonly failure: Failure }
  | { readonly kind: 'handBack'; readonly reason: string };

/** What the AbortSignal of the tasks says. */
export function stopReason(order: StopOrder): Error {
  switch (order.kind) {
    case 'cancel':
      return new Error(withReason('the job was cancelled', order.reason));
    case 'deadline':
      return new Error(order.failure.message);
    case 'handBack':
      return new Error(`the job is handed back: ${order.reason}`);
    default:
      return order satisfies never;
  }
}

/** A sentence with the reason that somebody gave, which may be empty. */
export function withReason(what: string, reason: string): string {
  return reason === '' ? what : `${what}: ${reason}`;
}
