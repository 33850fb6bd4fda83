import { type Flow, flow, task } from '@holdfast/flow';
import { z } from 'zod';

const greet = task({
  name: 'greet',
  requires: { who: z.string() },
  provides: { greeting: z.string() },
  execute: ({ who }) => ({ greeting: `Hello, ${who}!` }),
});

/** The smallest flow: one task that greets. */
export const hello: Flow<{ who: string }, { greeting: string }> = flow({
  name: 'hello',
  input: z.object({ who: z.string().min(1) }),
  body: greet,
});
