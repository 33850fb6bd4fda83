import { flow, linear, task } from '@holdfast/flow';
import { z } from 'zod';

const greet = task({
  name: 'greet',
  requires: { name: z.string() },
  provides: { greeting: z.string() },
  execute: ({ name }) => ({ greeting: `Hello, ${name}!` }),
});

export const hello = flow({
  name: 'hello',
  input: z.object({ name: z.string().min(1) }),
  body: linear('main', greet),
  output: ['greeting'],
});
