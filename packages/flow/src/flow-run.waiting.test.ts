// Durable waits: pauses and signals, which outlive attempts and hold no place on a worker.
import { encodeJson } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { waitFor } from './event-wait.ts';
import { flow } from './flow.ts';
import { map } from './map.ts';
import { linear, unordered } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { compareCrashes, Job, noting, outputOf } from './run-harness.fixture.ts';
import type { Signal, SignalSource } from './run-options.ts';
import { sleep } from './sleep.ts';
import { task } from './task.ts';

/** Signals as a board would hold them. */
class Signals implements SignalSource {
  readonly #all: Signal[] = [];
  readonly #listeners = new Set<() => void>();

  send(name: string, value: unknown = {}): void {
    const seq = this.#all.length + 1;
    this.#all.push({ seq, name, payload: encodeJson(value), atUnixMs: 0 });
    for (const listener of this.#listeners) listener();
  }

  received(): readonly Signal[] {
    return this.#all;
  }

  onArrival(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

const source = (signals: Signals): SignalSource => ({
  received: () => signals.received(),
  onArrival: (listener) => signals.onArrival(listener),
});

const approval = waitFor('approval', {
  event: 'approved',
  schema: z.object({ by: z.string() }),
  provides: 'decision',
});

describe('a pause', () => {
  test('ends the attempt, and what comes after it starts when its time has come', async () => {
    const log: string[] = [];
    const body = linear('main', noting(log, 'a'), sleep('pause', { ms: 60_000 }), noting(log, 'b'));
    const job = new Job(flow({ name: 'f', body }));
    const untilUnixMs = job.clock.nowUnixMs() + 60_000;
    expect(await job.run()).toMatchObject({ kind: 'waiting', untilUnixMs, waitsForSignal: false });
    expect(await job.run()).toMatchObject({ kind: 'waiting', untilUnixMs, reason: 'pause sleeps' });
    await job.clock.advance(60_000);
    expect(await job.run()).toMatchObject({ kind: 'succeeded' });
    expect(log).toEqual(['a', 'b']);
  });

  test('that is short is sat out, and its length may come from a value', async () => {
    const log: string[] = [];
    const body = linear(
      'main',
      sleep('pause', { requires: { ms: z.number() }, ms: ({ ms }) => ms }),
      noting(log, 'b'),
    );
    const job = new Job(flow({ name: 'f', input: z.object({ ms: z.number() }), body }));
    const fromMs = job.clock.nowUnixMs();
    expect(await job.run({ input: { ms: 500 } })).toMatchObject({ kind: 'succeeded' });
    expect(job.clock.nowUnixMs() - fromMs).toBeGreaterThanOrEqual(500);
    const wrong = new Job(job.flow);
    expect(await wrong.run({ input: { ms: -1 } })).toMatchObject({
      kind: 'failed',
      failure: { task: 'pause' },
    });
  });

  test('beside other work keeps nobody from it, and a crash at any commit changes nothing', async () => {
    const log: string[] = [];
    const createJob = () => {
      const body = unordered(
        'main',
        linear('one', sleep('pause', { ms: 10_000 }), noting(log, 'late')),
        linear('two', noting(log, 'a'), noting(log, 'b')),
      );
      return new Job(flow({ name: 'f', body }));
    };
    const { calm, different } = await compareCrashes(createJob);
    expect(different).toEqual([]);
    expect(calm.transitions.indexOf('b: running → success')).toBeLessThan(
      calm.transitions.indexOf('pause: running → success'),
    );
  });
});

describe('a wait for a signal', () => {
  test('ends the attempt until one arrives, and gives its payload', async () => {
    const log: string[] = [];
    const job = new Job(
      flow({ name: 'f', body: linear('main', noting(log, 'a'), approval, noting(log, 'b')) }),
    );
    const signals = new Signals();
    const request = { signals: source(signals) };
    expect(await job.run(request)).toMatchObject({
      kind: 'waiting',
      untilUnixMs: undefined,
      waitsForSignal: true,
      signalsSeen: 0,
      reason: "task approval waits for signal 'approved'",
    });
    signals.send('other');
    expect(await job.run(request)).toMatchObject({ kind: 'waiting', signalsSeen: 1 });
    signals.send('approved', { by: 'ann' });
    expect(outputOf(await job.run(request))).toEqual({ decision: { by: 'ann' } });
    expect(log).toEqual(['a', 'b']);
    expect(job.record('approval').signal).toBe(2);
  });

  test('takes one that came early, and one that comes while the run is busy', async () => {
    const signals = new Signals();
    signals.send('approved', { by: 'early' });
    const body = linear(
      'main',
      approval,
      waitFor('second', { event: 'approved', provides: 'again' }),
    );
    const job = new Job(
      flow({ name: 'f', body: unordered('both', body, sleep('busy', { ms: 3000 })) }),
    );
    const running = job.start({ signals: source(signals) });
    await job.clock.advance(1000);
    signals.send('approved', { by: 'late' });
    expect(outputOf(await job.drive(running))).toEqual({
      decision: { by: 'early' },
      again: { by: 'late' },
    });
  });

  test('refuses what its schema refuses, records that, and goes on waiting', async () => {
    const signals = new Signals();
    signals.send('approved', { by: 7 });
    const job = new Job(flow({ name: 'f', body: approval }));
    const request = { signals: source(signals) };
    expect(await job.run(request)).toMatchObject({ kind: 'waiting', signalsSeen: 1 });
    expect(job.record('approval').errors[0]?.failure.message).toMatch(/signal.by/);
    signals.send('approved', { by: 'ann' });
    expect(outputOf(await job.run(request))).toEqual({ decision: { by: 'ann' } });
  });

  test('fails when none has come in time, across attempts', async () => {
    const log: string[] = [];
    const wait = waitFor('wait', { event: 'go', timeoutMs: 3_600_000 });
    const job = new Job(flow({ name: 'f', body: linear('main', noting(log, 'a'), wait) }));
    const untilUnixMs = job.clock.nowUnixMs() + 3_600_000;
    expect(await job.run()).toMatchObject({ kind: 'waiting', untilUnixMs, waitsForSignal: true });
    await job.clock.advance(3_600_000);
    expect(await job.run()).toMatchObject({
      kind: 'failed',
      failure: {
        task: 'wait',
        type: 'WaitTimedOutError',
        message: "wait wait: no signal 'go' came within 3600000 ms",
      },
    });
    expect(log).toEqual(['a', 'undo a']);
  });

  test('gets a signal that came in time, although nobody was there to take it until later', async () => {
    const wait = waitFor('wait', { event: 'go', timeoutMs: 60_000, provides: 'word' });
    const job = new Job(flow({ name: 'f', body: wait }));
    const signals = new Signals();
    expect(await job.run({ signals: source(signals) })).toMatchObject({ kind: 'waiting' });
    signals.send('go', 'yes');
    await job.clock.advance(61_000);
    expect(outputOf(await job.run({ signals: source(signals) }))).toEqual({ word: 'yes' });
  });

  test('fails when its time is over and what came cannot be used', async () => {
    const wait = waitFor('wait', { event: 'go', schema: z.number(), timeoutMs: 60_000 });
    const job = new Job(flow({ name: 'f', body: wait }));
    const signals = new Signals();
    expect(await job.run({ signals: source(signals) })).toMatchObject({ kind: 'waiting' });
    signals.send('go', 'no number');
    await job.clock.advance(61_000);
    expect(await job.run({ signals: source(signals) })).toMatchObject({
      kind: 'failed',
      failure: { type: 'WaitTimedOutError' },
    });
  });

  test('takes each signal once, whatever crashes, and another one in the next round', async () => {
    const seen: string[] = [];
    const createJob = () => {
      const last = task({
        name: 'last',
        requires: { decision: z.object({ by: z.string() }) },
        provides: { by: z.string() },
        retry: { attempts: 1 },
        execute: ({ decision }, ctx) => {
          seen.push(decision.by);
          if (ctx.try === 1) throw new Error('not this one');
          return { by: decision.by };
        },
      });
      const body = withRetry(times({ attempts: 2 }), linear('inner', approval, last));
      return new Job(flow({ name: 'f', body, output: ['by'] }));
    };
    const signals = new Signals();
    signals.send('approved', { by: 'ann' });
    signals.send('approved', { by: 'bob' });
    const { result, different } = await compareCrashes(createJob, { signals: source(signals) });
    expect(outputOf(result)).toEqual({ by: 'bob' });
    expect(different).toEqual([]);
  });

  test('gets no signal that a wait has taken which the flow has no more', async () => {
    const wait = (name: string) => waitFor(name, { event: 'go', provides: name });
    const signals = new Signals();
    signals.send('go', 'first');
    const old = new Job(flow({ name: 'f', body: linear('main', wait('one'), wait('two')) }));
    expect(await old.run({ signals: source(signals) })).toMatchObject({ kind: 'waiting' });
    expect(old.record('one').signal).toBe(1);
    const job = new Job(flow({ name: 'f', body: wait('two') }));
    for (const [name, record] of old.records) job.records.set(name, record);
    expect(await job.run({ signals: source(signals) })).toMatchObject({ kind: 'waiting' });
    signals.send('go', 'second');
    expect(outputOf(await job.run({ signals: source(signals) }))).toEqual({ two: 'second' });
  });

  test('of an item gets no signal again that an item of an earlier round has taken', async () => {
    const createJob = () => {
      const list = task({
        name: 'list',
        requires: { round: z.number() },
        provides: { items: z.array(z.number()) },
        execute: ({ round }) => ({ items: round === 1 ? [0, 1] : [0] }),
      });
      const last = task({
        name: 'last',
        requires: { text: z.array(z.string()) },
        provides: { said: z.array(z.string()) },
        retry: { attempts: 1 },
        execute: ({ text }, ctx) => {
          if (ctx.try === 1) throw new Error('not these');
          return { said: text };
        },
      });
      const answer = waitFor('answer', { event: 'answer', schema: z.string(), provides: 'text' });
      const other = waitFor('other', { event: 'answer', schema: z.string(), provides: 'other' });
      const body = withRetry(
        times({ attempts: 2, provides: 'round' }),
        linear(
          'inner',
          list,
          unordered('both', other, map('each', { over: 'items', as: 'item', body: answer })),
          last,
        ),
      );
      return new Job(flow({ name: 'f', body, output: ['said', 'other'] }));
    };
    const signals = new Signals();
    for (const each of ['a', 'b', 'c', 'd', 'e']) signals.send('answer', each);
    const request = { signals: source(signals), concurrency: 1 };
    const { result, different } = await compareCrashes(createJob, request);
    expect(outputOf(result)).toEqual({ said: ['e'], other: 'd' });
    expect(different).toEqual([]);
  });

  test('of every item of a map is met by a signal for each', async () => {
    const body = map('each', {
      over: 'names',
      as: 'name',
      body: waitFor('answer', { event: 'answer', provides: 'text' }),
      collect: { text: 'texts' },
    });
    const job = new Job(flow({ name: 'f', input: z.object({ names: z.array(z.string()) }), body }));
    const signals = new Signals();
    for (const each of ['x', 'y', 'z']) signals.send('answer', each);
    const result = await job.run({ input: { names: ['a', 'b', 'c'] }, signals: source(signals) });
    expect(outputOf(result)).toEqual({ texts: ['x', 'y', 'z'] });
  });
});

describe('suspend', () => {
  test('lets what runs end, starts nothing more, and a later attempt goes on', async () => {
    const log: string[] = [];
    const suspend = new AbortController();
    const a = task({
      name: 'a',
      execute: () => {
        log.push('a');
        suspend.abort('suspended');
      },
    });
    const job = new Job(flow({ name: 'f', body: linear('main', a, noting(log, 'b')) }));
    expect(await job.run({ suspend: suspend.signal })).toMatchObject({ kind: 'suspended' });
    expect(job.states()).toEqual({ a: 'success' });
    expect(await job.run()).toMatchObject({ kind: 'succeeded' });
    expect(log).toEqual(['a', 'b']);
  });

  test('amid a revert stops that too', async () => {
    const log: string[] = [];
    const suspend = new AbortController();
    const b = task({
      name: 'b',
      retry: { attempts: 1 },
      execute: () => {
        throw new Error('no');
      },
      revert: () => {
        log.push('undo b');
        suspend.abort('suspended');
      },
    });
    const job = new Job(flow({ name: 'f', body: linear('main', noting(log, 'a'), b) }));
    expect(await job.run({ suspend: suspend.signal })).toMatchObject({ kind: 'suspended' });
    expect(log).toEqual(['a', 'undo b']);
    expect(await job.run()).toMatchObject({ kind: 'failed', failure: { message: 'no' } });
    expect(log).toEqual(['a', 'undo b', 'undo a']);
  });
});

describe('cancel with revert', () => {
  test('tells what runs to end, and reverts everything; a later attempt goes on with that', async () => {
    const log: string[] = [];
    const cancel = new AbortController();
    const createJob = () => {
      const slow = task({
        name: 'slow',
        execute: async (_args, ctx) => {
          log.push('slow');
          await new Promise((_resolve, reject) => {
            ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason), { once: true });
            queueMicrotask(() => cancel.abort(new Error('cancelled by ann')));
            if (ctx.signal.aborted) reject(ctx.signal.reason);
          });
        },
        revert: () => {
          log.push('undo slow');
        },
      });
      return new Job(flow({ name: 'f', body: linear('main', noting(log, 'a'), slow) }));
    };
    const job = createJob();
    expect(await job.run({ cancel: cancel.signal })).toMatchObject({
      kind: 'failed',
      failure: { message: 'cancelled by ann' },
    });
    expect(log).toEqual(['a', 'slow', 'undo slow', 'undo a']);
    expect(job.states()).toEqual({ a: 'reverted', slow: 'reverted' });
  });

  test('reverts what had failed and waits for its next try, in a scope too, and crashes change nothing', async () => {
    const createJob = () => {
      const flaky = task({
        name: 'flaky',
        retry: { attempts: 5, backoff: { initialMs: 60_000, factor: 1, maxMs: 60_000, jitter: 0 } },
        execute: () => {
          throw new Error('not yet');
        },
        revert: () => undefined,
      });
      return new Job(
        flow({ name: 'f', body: withRetry(times({ attempts: 3 }), linear('inner', flaky)) }),
      );
    };
    const cancel = new AbortController();
    const job = createJob();
    expect(await job.run()).toMatchObject({ kind: 'waiting' });
    cancel.abort(new Error('cancelled'));
    expect(await job.run({ cancel: cancel.signal })).toMatchObject({ kind: 'failed' });
    expect(job.states()).toEqual({ flaky: 'reverted', 'inner.retry': 'reverted' });
    const request = { cancel: cancel.signal };
    expect((await compareCrashes(createJob, request)).different).toEqual([]);
  });

  test('leaves behind what ignores its signal, after the grace period', async () => {
    const cancel = new AbortController();
    const deaf = task({
      name: 'deaf',
      execute: async () => {
        queueMicrotask(() => cancel.abort(new Error('cancelled')));
        await new Promise(() => undefined);
      },
    });
    const job = new Job(flow({ name: 'f', body: deaf }));
    expect(await job.run({ cancel: cancel.signal })).toMatchObject({ kind: 'failed' });
    expect(job.state('deaf')).toBe('reverted');
  });
});
