// Flows for the tests of the command line.
import { once } from 'node:events';
import { TerminalError } from '@holdfast/core';
import { type Flow, flow, linear, task, waitFor } from '@holdfast/flow';
import { z } from 'zod';

const greet = task({
  name: 'greet',
  requires: { who: z.string() },
  provides: { greeting: z.string() },
  execute: ({ who }, ctx) => {
    ctx.recordError(new Error('the weather is bad'));
    return { greeting: `Hello, ${who}!` };
  },
});

export const hello: Flow<{ who: string; times?: number | undefined }> = flow({
  name: 'hello',
  description: 'Greets',
  input: z.object({ who: z.string().min(1), times: z.int().min(1).optional() }),
  body: greet,
});

const prepare = task({ name: 'prepare', execute() {} });
const breakDown = task({
  name: 'break-down',
  execute() {
    throw new TerminalError('it cannot be done', { cause: new Error('nothing is left') });
  },
});

export const failing: Flow = flow({ name: 'failing', body: linear('all', prepare, breakDown) });

const wait = task({
  name: 'wait',
  async execute(_values, ctx) {
    ctx.progress(0.5, 'half way');
    ctx.log.info({}, 'it waits');
    await once(ctx.signal, 'abort');
    ctx.signal.throwIfAborted();
  },
});

/** Runs until it is cancelled. */
export const endless: Flow = flow({ name: 'endless', body: wait });

const ask = task({ name: 'ask', execute() {}, revert() {} });

/** Waits for somebody to approve. */
export const approval: Flow = flow({
  name: 'approval',
  body: linear('all', ask, waitFor('decision', { event: 'approved' })),
});
