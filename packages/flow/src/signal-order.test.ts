// Signals that are judged slowly: which wait gets which, whatever crashes or fails meanwhile.
import { encodeJson, sleep as pause, TerminalError } from '@holdfast/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { describe, expect, test } from 'vitest';
import { waitFor } from './event-wait.ts';
import { flow } from './flow.ts';
import { linear, unordered } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { Crash, Job, outputOf } from './run-harness.fixture.ts';
import type { Signal, SignalSource } from './run-options.ts';
import { task } from './task.ts';

function signalsOf(...values: readonly unknown[]): SignalSource {
  const all = values.map(
    (value, index): Signal => ({
      seq: index + 1,
      name: 'go',
      payload: encodeJson(value),
      atUnixMs: 0,
    }),
  );
  return { received: () => all, onArrival: () => () => undefined };
}

/** A schema that takes its time on the clock of `job()`; it lets nothing pass when `isStrict`. */
function slow(job: () => Job, ms: number, isStrict = false): StandardSchemaV1<unknown> {
  return {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: async (value) => {
        if (ms > 0) await pause(job().clock, ms);
        return isStrict ? { issues: [{ message: 'not this one' }] } : { value };
      },
    },
  };
}

describe('signals of one name', () => {
  test('none is lost when one that came later is judged sooner, and the process dies', async () => {
    const body = unordered(
      'both',
      waitFor('first', { event: 'go', schema: slow(() => job, 1000), provides: 'one' }),
      waitFor('second', { event: 'go', schema: slow(() => job, 0), provides: 'two' }),
    );
    const job: Job = new Job(flow({ name: 'f', body, output: ['one', 'two'] }));
    const signals = signalsOf('a', 'b');
    const afterCommit = (): void => {
      const hasTaken = [...job.records.values()].some(({ state }) => state === 'success');
      if (hasTaken) throw new Crash('the process dies');
    };
    await expect(job.run({ signals, afterCommit })).rejects.toThrow(Crash);
    expect(outputOf(await job.run({ signals }))).toEqual({ one: 'a', two: 'b' });
  });
});

describe('a signal that is refused after the scope of its wait has failed', () => {
  test('leaves nothing behind that starts the wait too early in the next round', async () => {
    const log: string[] = [];
    const body = withRetry(
      times({ attempts: 2 }),
      unordered(
        'both',
        linear(
          'row',
          task({
            name: 'prepare',
            execute: async (_args, ctx) => {
              if (ctx.try > 1) await pause(job.clock, 120_000);
              log.push(`prepared ${ctx.try}`);
            },
          }),
          waitFor('answer', {
            event: 'go',
            timeoutMs: 60_000,
            schema: slow(() => job, 1000, true),
          }),
        ),
        task({
          name: 'fails',
          execute: async (_args, ctx) => {
            await pause(job.clock, 10);
            if (ctx.try === 1) throw new TerminalError('no');
          },
        }),
      ),
    );
    const job: Job = new Job(flow({ name: 'f', body }));
    const observer = {
      transition: ({ name, state }: { readonly name: string; readonly state: string }) => {
        if (name === 'answer' && state === 'running') log.push('waits');
      },
    };
    await job.run({ signals: signalsOf('a'), observer, releaseAfterMs: 200_000 });
    expect(log).toEqual(['prepared 1', 'waits', 'prepared 2', 'waits']);
  });
});
