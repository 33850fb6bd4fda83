import { decodeJson, type Logger, silentLogger, VirtualClock } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import type { FlowEvent, FlowListener } from './listener.ts';
import { LISTENER_QUEUE_MAX, ListenerHub } from './listener-hub.ts';
import { linear } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { Job, noting } from './run-harness.fixture.ts';
import type { RunResult } from './run-options.ts';
import { type TaskTiming, timingListener } from './standard-listeners.ts';
import { task } from './task.ts';

/** Runs a job with listeners; the hub is stopped when the run is over. */
async function runWith(
  job: Job,
  listeners: readonly FlowListener[],
  options: { readonly logger?: Logger } = {},
): Promise<RunResult> {
  const { logger = silentLogger } = options;
  const hub = new ListenerHub({ listeners, clock: job.clock, logger });
  const listening = hub.listen({
    flow: job.flow,
    jobId: 'job-1',
    attempt: 1,
  });
  const result = await job.run({ observer: listening.observer, concurrency: 1 });
  listening.ended(result);
  await job.drive(hub.stop());
  return result;
}

function summary(event: FlowEvent): string {
  if (event.kind === 'transition') return `${event.task} ${event.from} ${event.to}`;
  return event.kind === 'ended' ? `ended ${event.end}` : event.kind;
}

describe('listeners', () => {
  test('are told everything in its order, of controllers too, and never before the run goes on', async () => {
    const log: string[] = [];
    const seen: string[] = [];
    const listener: FlowListener = {
      name: 'test',
      onEvent: async (event) => {
        await Promise.resolve();
        seen.push(summary(event));
      },
    };
    const flaky = task({
      name: 'flaky',
      retry: { attempts: 1 },
      execute: (_args, ctx) => {
        ctx.recordError(new Error('beware'));
        if (ctx.try === 1) throw new Error('once');
      },
    });
    const body = withRetry(times({ attempts: 2 }), linear('inner', noting(log, 'a'), flaky));
    await runWith(new Job(flow({ name: 'f', body })), [listener]);
    expect(seen).toEqual([
      'started',
      'inner.retry pending running',
      'inner.retry running success',
      'a pending running',
      'a running success',
      'flaky pending running',
      'recordedError',
      'flaky running failure',
      'inner.retry success retrying',
      'flaky failure reverting',
      'flaky reverting reverted',
      'a success reverting',
      'a reverting reverted',
      'inner.retry retrying running',
      'inner.retry running success',
      'a pending running',
      'a running success',
      'flaky pending running',
      'recordedError',
      'flaky running success',
      'ended succeeded',
    ]);
  });

  test('that throw or never answer neither fail nor stall the flow, and the log says so', async () => {
    const log: string[] = [];
    const warnings: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      child: () => logger,
      warn: (_fields, message) => void warnings.push(message),
    };
    const broken: FlowListener = {
      name: 'broken',
      onEvent: () => {
        throw new Error('no');
      },
    };
    const stuck: FlowListener = {
      name: 'stuck',
      onEvent: async () => await new Promise(() => undefined),
    };
    const job = new Job(
      flow({ name: 'f', body: linear('main', noting(log, 'a'), noting(log, 'b')) }),
    );
    expect(await runWith(job, [broken, stuck], { logger })).toMatchObject({ kind: 'succeeded' });
    expect(warnings).toContain('a listener failed');
    expect(warnings).toContain('a listener did not take all of its events');
  });

  test('that are too slow are told how much they miss', async () => {
    const gate = Promise.withResolvers<void>();
    const seen: FlowEvent[] = [];
    const slow: FlowListener = {
      name: 'slow',
      onEvent: async (event) => {
        if (seen.length === 0) await gate.promise;
        seen.push(event);
      },
    };
    const clock = new VirtualClock();
    const hub = new ListenerHub({ listeners: [slow], clock, logger: silentLogger });
    const run = { flow: flow({ name: 'f', body: noting([], 'a') }), jobId: 'j', attempt: 1 };
    hub.listen(run);
    await Promise.resolve();
    await Promise.resolve();
    for (let index = 0; index < LISTENER_QUEUE_MAX + 5; index += 1) hub.listen(run);
    gate.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    hub.listen(run);
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toHaveLength(LISTENER_QUEUE_MAX + 3);
    expect(seen.at(-2)).toMatchObject({ kind: 'dropped', count: 5 });
  });

  test('never see a secret', async () => {
    const seen: unknown[] = [];
    const listener: FlowListener = {
      name: 'test',
      onEvent: (event) => {
        const result = event.kind === 'transition' ? event.record.result : undefined;
        if (result) seen.push(decodeJson(result));
      },
    };
    const login = task({
      name: 'login',
      provides: { user: z.string(), token: z.string() },
      secrets: ['token'],
      execute: () => ({ user: 'ann', token: 'geheim' }),
    });
    const job = new Job(flow({ name: 'f', body: login }));
    await runWith(job, [listener]);
    expect(seen).toEqual([{ user: 'ann', token: '***' }]);
  });

  test('for timing get what each execution and each revert took', async () => {
    const timings: TaskTiming[] = [];
    const log: string[] = [];
    const fail = task({
      name: 'fail',
      retry: { attempts: 1 },
      execute: () => {
        throw new Error('no');
      },
    });
    const job = new Job(flow({ name: 'f', body: linear('main', noting(log, 'a'), fail) }));
    await runWith(job, [timingListener({ onTiming: (timing) => void timings.push(timing) })]);
    expect(timings.map(({ task: name, kind, outcome }) => `${kind} ${name} ${outcome}`)).toEqual([
      'execute a success',
      'execute fail failure',
      'revert fail success',
      'revert a success',
    ]);
  });
});
