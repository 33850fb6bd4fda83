import { createClient } from '@holdfast/client';
import { createServer } from '@holdfast/server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  HandWorker,
  type HelloFlow,
  MemoryBoards,
  type ObservedBoard,
} from '../support/memory-board.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const hello: HelloFlow = { name: 'hello' };
const host = '127.0.0.1';
// Soon again, so that the tests don't wait; the ratio of the pauses is what counts.
const retry = { backoff: { initialMs: 20, factor: 2, maxMs: 200, jitter: 0.5 } };

describe('what the client bears', () => {
  const resources = new AsyncDisposableStack();
  let board: ObservedBoard;

  beforeAll(async () => {
    board = await resources.use(new MemoryBoards()).openBoard();
  });
  afterAll(() => resources.disposeAsync());

  test('a watch survives a restart of the server, and repeats nothing', async () => {
    const first = createServer({ board, listen: { host, port: 0 } });
    await first.start();
    const { address } = first;
    const port = Number(address.split(':')[1]);
    await using client = createClient({ address, retry });
    const worker = await HandWorker.join(board);
    const job = await client.post(hello, { name: 'patient' });
    const kinds: string[] = [];
    const result = job.result();
    const watched = (async () => {
      for await (const { status } of job.watch()) kinds.push(status.phase.kind);
    })();
    const claim = await worker.claim(job.id);
    while (!kinds.includes('running')) await new Promise((resolve) => setImmediate(resolve));
    await first.stop();
    await using second = createServer({ board, listen: { host, port } });
    const before = board.taken;
    await second.start();
    // Both watches, this one and the one of the result, have the running job once more.
    while (board.taken < before + 2) await board.nextTaken;
    await worker.succeed(claim, { greeting: 'still here' });
    await watched;
    expect(kinds.filter((kind) => kind !== 'ready')).toEqual(['running', 'succeeded']);
    await expect(result).resolves.toEqual({ greeting: 'still here' });
    await worker.leave();
  });

  test('a call made before the server is there waits for it', async () => {
    const probe = createServer({ board, listen: { host, port: 0 } });
    await probe.start();
    const { address } = probe;
    await probe.stop();
    await using client = createClient({ address, retry });
    const call = client.flow('hello');
    await using server = createServer({
      board,
      listen: { host, port: Number(address.split(':')[1]) },
    });
    await server.start();
    await expect(call).resolves.toMatchObject({ flow: { name: 'hello' } });
  });

  test('without a server a call fails with UNAVAILABLE, and says which address was tried', async () => {
    await using client = createClient({ address: '127.0.0.1:9', retry: { ...retry, attempts: 2 } });
    await expect(client.post(hello, { name: 'x' })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('127.0.0.1:9'),
    });
  });

  test('a call ends by its deadline, whatever it is waiting for', async () => {
    await using client = createClient({
      address: '127.0.0.1:9',
      retry: { ...retry, attempts: 1000 },
    });
    const startedMs = performance.now();
    await expect(client.flow('hello', { deadlineMs: 300 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    expect(performance.now() - startedMs).toBeLessThan(1000);
  });

  test('a watch gives up when no server comes back in time', async () => {
    const server = createServer({ board, listen: { host, port: 0 } });
    await server.start();
    await using client = createClient({
      address: server.address,
      retry: { ...retry, watchPatienceMs: 300 },
    });
    const job = await client.post(hello, { name: 'x' }, { delayMs: 60_000 });
    const result = job.result().catch((error: unknown) => error);
    await job.status();
    await server.stop();
    expect(await result).toMatchObject({ code: 'UNAVAILABLE' });
  });

  describe('when the answer is lost on the way', () => {
    test('a post is repeated and is still one job', async () => {
      await using server = createServer({ board, listen: { host, port: 0 } });
      await server.start();
      await using proxy = await TcpProxy.open(server.address);
      await using client = createClient({ address: proxy.address, retry });
      await client.flow('hello');
      const lost = proxy.loseNextAnswer();
      const job = await client.post(hello, { name: 'x' }, { queue: 'lost', delayMs: 60_000 });
      await lost;
      expect(job.created).toBe(false);
      const jobs = await Array.fromAsync(client.jobs({ queue: 'lost' }));
      expect(jobs.map(({ status }) => status.id)).toEqual([job.id]);
    });

    test('a bulk post is repeated and is still each job once', async () => {
      await using server = createServer({ board, listen: { host, port: 0 } });
      await server.start();
      await using proxy = await TcpProxy.open(server.address);
      await using client = createClient({ address: proxy.address, retry });
      await client.flow('hello');
      const lost = proxy.loseNextAnswer();
      const jobs = ['a', 'b', 'c'].map((name) => ({
        flow: hello,
        input: { name },
        queue: 'bulk',
        delayMs: 60_000,
      }));
      const outcomes = await client.postMany(jobs);
      await lost;
      expect(outcomes).toMatchObject([
        { kind: 'posted', job: { created: false } },
        { kind: 'posted', job: { created: false } },
        { kind: 'posted', job: { created: false } },
      ]);
      expect(await Array.fromAsync(client.jobs({ queue: 'bulk' }))).toHaveLength(3);
    });

    test('a post without a key is not repeated: its outcome is unknown', async () => {
      await using server = createServer({ board, listen: { host, port: 0 } });
      await server.start();
      await using proxy = await TcpProxy.open(server.address);
      await using client = createClient({ address: proxy.address, retry });
      await client.flow('hello');
      const lost = proxy.loseNextAnswer();
      const post = client.post(
        hello,
        { name: 'x' },
        { queue: 'keyless', delayMs: 60_000, idempotencyKey: '' },
      );
      await expect(post).rejects.toMatchObject({
        code: 'OUTCOME_UNKNOWN',
        message: expect.stringContaining('PostJob may or may not have happened'),
      });
      await lost;
      expect(await Array.fromAsync(client.jobs({ queue: 'keyless' }))).toHaveLength(1);
    });

    test('a watch is opened again', async () => {
      await using server = createServer({ board, listen: { host, port: 0 } });
      await server.start();
      await using proxy = await TcpProxy.open(server.address);
      await using client = createClient({ address: proxy.address, retry });
      const job = await client.post(hello, { name: 'x' }, { queue: 'watched', delayMs: 60_000 });
      const result = job.result().catch((error: unknown) => error);
      await job.status();
      const lost = proxy.loseNextAnswer();
      await board.cancel(job.id, { reason: 'enough' });
      await lost;
      expect(await result).toMatchObject({ code: 'CANCELLED', reason: 'enough', jobId: job.id });
    });
  });

  test('closing the client ends what it waits for', async () => {
    await using server = createServer({ board, listen: { host, port: 0 } });
    await server.start();
    const client = createClient({ address: server.address, retry });
    const job = await client.post(hello, { name: 'x' }, { delayMs: 60_000 });
    const result = job.result().catch((error: unknown) => error);
    await job.status();
    client.close();
    expect(await result).toMatchObject({ code: 'CANCELLED', message: 'the client is closed' });
    await expect(job.status()).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('a consumer that is slow sees fewer states, and always the last one', async () => {
    await using server = createServer({ board, listen: { host, port: 0 } });
    await server.start();
    await using client = createClient({ address: server.address, retry });
    const worker = await HandWorker.join(board);
    const job = await client.post(hello, { name: 'x' });
    const kinds: string[] = [];
    for await (const { status } of job.watch()) {
      kinds.push(status.phase.kind);
      if (kinds.length > 1) continue;
      // The job runs to its end while its watcher is still busy with the first state.
      await worker.succeed(await worker.claim(job.id), {});
      while ((await job.status()).phase.kind !== 'succeeded');
    }
    expect(kinds.at(0)).toBe('ready');
    expect(kinds.at(-1)).toBe('succeeded');
    await worker.leave();
  });
});
