// Scopes beside each other on a store that lags behind: what one waits for may be written with the other.
import { sleep as pause, TerminalError } from '@holdfast/core';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { linear, unordered } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { EXACT, Job } from './run-harness.fixture.ts';
import { task } from './task.ts';

test('a scope whose revert has failed is looked at again when the last that it waits for belongs to others', async () => {
  const secondTry = Promise.withResolvers<void>();
  const large = (name: string) =>
    task({
      name,
      provides: { [`${name}.text`]: z.string() },
      execute: async () => {
        await secondTry.promise;
        return { [`${name}.text`]: 'x'.repeat(300_000) };
      },
    });
  const row = Array.from({ length: 100 }, (_, place) =>
    task({ name: `step${place}`, execute: () => undefined }),
  );
  const built = task({ name: 'built', execute: () => undefined, revert: () => undefined });
  const broken = task({
    name: 'broken',
    execute: () => undefined,
    revertRetry: { attempts: 2, backoff: { ...EXACT, initialMs: 1050 } },
    revert: async (_args, ctx) => {
      if (ctx.try === 1) throw new Error('not yet');
      secondTry.resolve();
      await pause(job.clock, 20);
      throw new TerminalError('never');
    },
  });
  const fails = task({
    name: 'fails',
    execute: () => {
      throw new TerminalError('no');
    },
  });
  const body = unordered(
    'all',
    withRetry(times({ attempts: 2 }), linear('scope', built, broken, fails)),
    linear('row', ...row),
    large('one'),
    large('two'),
  );
  const job: Job = new Job(flow({ name: 'f', body }));
  const result = await job.run({ concurrency: 10, beforeCommit: () => pause(job.clock, 100) });
  expect(result.kind).toBe('failed');
  expect([job.state('built'), job.state('broken')]).toEqual(['success', 'revertFailure']);
}, 10_000);
