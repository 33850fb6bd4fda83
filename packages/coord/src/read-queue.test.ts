import { HoldfastError, UnavailableError, VirtualClock } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { ReadQueue } from './read-queue.ts';

function queueOf(maxQueued: number): { queue: ReadQueue<string, number>; clock: VirtualClock } {
  const clock = new VirtualClock();
  const queue = new ReadQueue<string, number>({ store: 'etcd', maxQueued, maxWaitMs: 1000, clock });
  return { queue, clock };
}

/** The code that a read fails with. */
async function codeOf(read: Promise<number>): Promise<string> {
  const error: unknown = await read.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof HoldfastError ? error.code : 'none';
}

describe('the queue of reads', () => {
  it('gives out what waits in order, up to the first that does not fit', async () => {
    const { queue } = queueOf(10);
    const answers = ['a', 'b', 'ccc', 'd'].map((request) => queue.ask(request));
    const first = queue.take((request) => request.length === 1);
    expect(first.map(({ request }) => request)).toEqual(['a', 'b']);
    expect(queue.size).toBe(2);
    const rest = queue.take(() => true);
    for (const read of [...first, ...rest]) read.settle(read.request.length);
    expect(await Promise.all(answers)).toEqual([1, 1, 3, 1]);
  });

  it('fails a read with the error that it is settled with, and no other (Q1)', async () => {
    const { queue } = queueOf(10);
    const [one, two] = [queue.ask('one'), queue.ask('two')];
    const [first, second] = queue.take(() => true);
    first?.settle(new UnavailableError('away'));
    second?.settle(2);
    expect(await codeOf(one)).toBe('UNAVAILABLE');
    expect(await two).toBe(2);
  });

  it('a read whose caller gives up is not sent any more, or its answer is dropped (Q1)', async () => {
    const { queue } = queueOf(10);
    const abort = new AbortController();
    const sent = queue.ask('sent', { signal: abort.signal });
    const [taken] = queue.take(() => true);
    const waiting = queue.ask('waiting', { signal: abort.signal });
    abort.abort();
    taken?.settle(1);
    expect(await codeOf(sent)).toBe('CANCELLED');
    expect(await codeOf(waiting)).toBe('CANCELLED');
    expect(queue.size).toBe(0);
  });

  it('refuses more reads than may wait, and says how many that is (Q2)', async () => {
    const { queue } = queueOf(1);
    const first = queue.ask('first');
    await expect(queue.ask('second')).rejects.toThrow(/^1 reads wait for etcd already/);
    expect(await codeOf(queue.ask('third'))).toBe('RESOURCE_EXHAUSTED');
    queue.take(() => true)[0]?.settle(1);
    expect(await first).toBe(1);
  });

  it('a read that waited as long as a call may take fails and makes room (Q3)', async () => {
    const { queue, clock } = queueOf(10);
    const old = queue.ask('old');
    await clock.advance(500);
    const young = queue.ask('young');
    await clock.advance(501);
    const taken = queue.take(() => true);
    expect(taken.map(({ request }) => request)).toEqual(['young']);
    taken[0]?.settle(1);
    expect(await codeOf(old)).toBe('UNAVAILABLE');
    expect(await young).toBe(1);
  });

  it('once closed, fails what waits and what comes', async () => {
    const { queue } = queueOf(10);
    const waiting = queue.ask('waiting');
    queue.close();
    await expect(waiting).rejects.toThrow('the store was stopped');
    await expect(queue.ask('late')).rejects.toThrow('the store was stopped');
    expect(queue.size).toBe(0);
  });
});
