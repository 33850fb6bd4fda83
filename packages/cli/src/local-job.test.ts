import { createSeededRandom, pendingAtom, silentLogger, VirtualClock } from '@holdfast/core';
import { type AnyFlow, flow, linear, sleep, task, waitFor } from '@holdfast/flow';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { LocalJob } from './local-job.ts';

const greet = task({
  name: 'greet',
  provides: { greeting: z.string() },
  execute: () => ({ greeting: 'Hello!' }),
});
const napping = flow({
  name: 'napping',
  body: linear('all', greet, sleep('nap', { ms: 3_600_000 })),
});

function jobOf(of: AnyFlow): { readonly job: LocalJob; readonly clock: VirtualClock } {
  const clock = new VirtualClock();
  const parts = { clock, random: createSeededRandom(1), logger: silentLogger };
  return { clock, job: new LocalJob({ flow: of, input: {}, atoms: [], ...parts }) };
}

describe('a local job', () => {
  test('is ready before it runs, and has its defaults', () => {
    const { view } = jobOf(napping).job;
    expect(view.status).toMatchObject({ phase: { kind: 'ready' }, attempt: 0, flow: 'napping' });
    expect(view.spec).toMatchObject({ queue: 'default', priority: 5, maxAttempts: 5 });
  });

  test('sits out a long wait between two attempts, as a board would', async () => {
    const { job, clock } = jobOf(napping);
    const running = job.run(new AbortController().signal);
    await clock.advance(1000);
    expect(job.view.status.phase).toMatchObject({ kind: 'scheduled' });
    expect(job.view.waitingReason).toContain('nap');
    expect(job.view.status.attempts).toMatchObject([{ number: 1, end: 'released' }]);
    await clock.advance(3_600_000);
    await running;
    expect(job.view.status).toMatchObject({ phase: { kind: 'succeeded' }, attempt: 2 });
    expect(job.view.atoms.map(({ name, state }) => [name, state])).toEqual([
      ['greet', 'success'],
      ['nap', 'success'],
    ]);
  });

  test('that is interrupted in a wait ends at once', async () => {
    const { job, clock } = jobOf(napping);
    const stop = new AbortController();
    const running = job.run(stop.signal);
    await clock.advance(1000);
    stop.abort();
    await running;
    expect(job.view.status.phase.kind).toBe('scheduled');
    expect(clock.pendingTimers).toBe(0);
  });

  test('ends waiting where only a signal could let it go on', async () => {
    const { job } = jobOf(flow({ name: 'f', body: waitFor('approval', { event: 'approve' }) }));
    await job.run(new AbortController().signal);
    expect(job.view.status.phase).toMatchObject({ kind: 'waiting' });
    expect(job.view.waitingReason).toContain('approve');
  });

  test('fails at once where it begins with records that its flow cannot go on with', async () => {
    const atom = { ...pendingAtom('greet'), state: 'success', tries: 1, flowVersion: 2 } as const;
    const parts = {
      random: createSeededRandom(1),
      logger: silentLogger,
      clock: new VirtualClock(),
    };
    const job = new LocalJob({ flow: napping, input: {}, atoms: [atom], ...parts });
    await job.run(new AbortController().signal);
    const { phase } = job.view.status;
    expect(phase).toMatchObject({ kind: 'failed' });
    expect('failure' in phase && phase.failure?.message).toContain('version 2');
  });

  test('shows tasks as they stand, before their checkpoints are written', async () => {
    const started = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const slow = task({
      name: 'slow',
      execute: async () => {
        started.resolve();
        await finish.promise;
      },
    });
    const { job } = jobOf(flow({ name: 'f', body: slow }));
    const running = job.run(new AbortController().signal);
    await started.promise;
    expect(job.view.atoms).toMatchObject([{ name: 'slow', state: 'running' }]);
    finish.resolve();
    await running;
    expect(job.view.atoms).toMatchObject([{ name: 'slow', state: 'success' }]);
    expect(job.view.output).toBeUndefined();
  });
});
