import type { Payload } from './payload.ts';

/** A message to a job from outside: an approval, an answer, a nudge. Never changes. */
export interface JobSignal {
  /** Its number among the signals of the job, from 1 in the order of their arrival. */
  readonly seq: number;
  readonly name: string;
  readonly payload: Payload;
  readonly atUnixMs: number;
}
