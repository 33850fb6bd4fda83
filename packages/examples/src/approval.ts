import { type Flow, flow, linear, sleep, task, waitFor, when } from '@holdfast/flow';
import { z } from 'zod';

/** Who wants to get in, and why. */
export interface AccessInput {
  readonly person: string;
  readonly database: string;
  readonly reason: string;
}

/** What became of the request. */
export interface AccessOutput {
  readonly decision: { readonly by: string; readonly minutes: number };
  /** Missing when access was refused. */
  readonly closing?: string | undefined;
}

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

const text = z.string().min(1);
/** The payload of the signal `decide`; no minutes are a no. */
const decision = z.object({ by: text, minutes: z.number().min(0).max(480) });

const openRequest = task({
  name: 'open-request',
  requires: { person: text, database: text, reason: text },
  provides: { request: z.string() },
  execute: ({ person, database, reason }, ctx) => {
    const request = `${person} asks for ${database}: ${reason}`;
    ctx.log.info({ request }, 'request opened');
    return { request };
  },
  revert: ({ person }, ctx) => ctx.log.info({ person }, 'request closed, nobody decided'),
});

const grant = task({
  name: 'grant',
  requires: { person: text, database: text },
  provides: { account: z.string() },
  execute: ({ person, database }, { idempotencyKey }) => ({
    // The key makes the same account of a repeated try.
    account: `${person}@${database} (${idempotencyKey})`,
  }),
});

const withdraw = task({
  name: 'withdraw',
  requires: { account: z.string(), decision },
  provides: { closing: z.string() },
  execute: (values) => ({
    closing: `${values.account} was open for ${values.decision.minutes} min`,
  }),
});

/**
 * Somebody has to say yes. Neither the two days that there are to decide nor the time that access
 * lasts take a worker's place, and both survive a restart of everything.
 */
export const access: Flow<AccessInput, AccessOutput> = flow({
  name: 'access',
  description: 'Gives somebody access to a database for a while, once it is approved',
  input: z.object({ person: text, database: text, reason: text }),
  body: linear(
    'access',
    openRequest,
    waitFor('decision', {
      event: 'decide',
      schema: decision,
      timeoutMs: 2 * DAY_MS,
      provides: 'decision',
    }),
    when('granted', {
      if: { requires: { decision }, decide: (values) => values.decision.minutes > 0 },
      do: linear(
        'a-while',
        grant,
        sleep('until-it-ends', {
          requires: { decision },
          ms: (values) => values.decision.minutes * MINUTE_MS,
        }),
        withdraw,
      ),
    }),
  ),
  output: ['decision', 'closing'],
});
