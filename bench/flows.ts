// The flows that the benches run: as little work as can be, so that what is measured is Holdfast.
import { type Flow, flow, linear, task } from '@holdfast/flow';
import { z } from 'zod';

const number = z.number();

/** One task that does nothing. */
export const noop: Flow<object, object> = flow({
  name: 'bench-noop',
  body: task({ name: 'nothing', execute: () => undefined }),
});

/** Three tasks in a row, each handing a number on: three checkpoints. */
export const threeSteps: Flow<{ start: number }, { first: number; second: number; third: number }> =
  flow({
    name: 'bench-three-steps',
    input: z.object({ start: number }),
    body: linear(
      'steps',
      task({
        name: 'one',
        requires: { start: number },
        provides: { first: number },
        execute: ({ start }) => ({ first: start + 1 }),
      }),
      task({
        name: 'two',
        requires: { first: number },
        provides: { second: number },
        execute: ({ first }) => ({ second: first + 1 }),
      }),
      task({
        name: 'three',
        requires: { second: number },
        provides: { third: number },
        execute: ({ second }) => ({ third: second + 1 }),
      }),
    ),
  });

/** One task that tells when it was started, by wall clock: all processes of a bench share one machine. */
export const stamp: Flow<object, { startedAtUnixMs: number }> = flow({
  name: 'bench-stamp',
  body: task({
    name: 'stamp',
    provides: { startedAtUnixMs: number },
    execute: () => ({ startedAtUnixMs: performance.timeOrigin + performance.now() }),
  }),
});

/** The first attempt never ends by itself: its worker is killed. The second ends at once. */
export const hold: Flow<object, object> = flow({
  name: 'bench-hold',
  body: task({
    name: 'hold',
    execute: async (_inputs: object, ctx) => {
      if (ctx.attempt > 1) return;
      await new Promise<void>((resolve) => ctx.signal.addEventListener('abort', () => resolve()));
    },
  }),
});
