// Flows for the tests of what runs and draws flows without a server.
import { createHash } from 'node:crypto';
import { type Flow, flow, linear, task, unordered, waitFor } from '@holdfast/flow';
import { z } from 'zod';

const checkout = task({
  name: 'checkout',
  requires: { revision: z.string() },
  provides: { commit: z.string() },
  execute: ({ revision }, ctx) => {
    ctx.progress(1, 'cloned');
    return { commit: createHash('sha256').update(revision).digest('hex').slice(0, 8) };
  },
});
const lint = task({
  name: 'lint',
  requires: { commit: z.string() },
  provides: { warnings: z.number() },
  execute: (_values, ctx) => {
    ctx.recordError(new RangeError('a line is too long'));
    return { warnings: 1 };
  },
});
const test = task({
  name: 'test',
  requires: { commit: z.string() },
  provides: { passed: z.number() },
  retry: { attempts: 3, backoff: { initialMs: 10 } },
  execute: (_values, ctx) => {
    if (ctx.try < 2) throw new Error('the network blinked');
    return { passed: 7 };
  },
});
const report = task({
  name: 'report',
  requires: { commit: z.string(), warnings: z.number(), passed: z.number() },
  provides: { summary: z.string() },
  execute: ({ commit, warnings, passed }) => ({ summary: `${commit}: ${passed}, ${warnings}` }),
});

export const build: Flow<{ revision: string }> = flow({
  name: 'build',
  input: z.object({ revision: z.string().min(1) }),
  body: linear('all', checkout, unordered('checks', lint, test), report),
});

const publish = task({
  name: 'publish',
  requires: { summary: z.string() },
  execute: () => {
    throw new Error('the shelf is full', { cause: new RangeError('9 of 9 places') });
  },
  revert() {},
});

export const release: Flow<{ revision: string }> = flow({
  name: 'release',
  input: z.object({ revision: z.string() }),
  retry: { attempts: 2, backoff: { initialMs: 10 } },
  body: linear('all', checkout, unordered('checks', lint, test), report, publish),
});

export const approved: Flow = flow({
  name: 'approved',
  body: waitFor('approval', { event: 'approve' }),
});
