import { createClient, JobCancelledError, JobFailedError } from '@holdfast/client';
import { createServer } from '@holdfast/server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HandWorker, type HelloFlow, MemoryBoards } from '../support/memory-board.ts';

const hello: HelloFlow = { name: 'hello' };

describe('a job from its post to its result, over gRPC', () => {
  const resources = new AsyncDisposableStack();
  let client: ReturnType<typeof createClient>;
  let worker: HandWorker;

  beforeAll(async () => {
    const boards = resources.use(new MemoryBoards());
    const board = await boards.openBoard();
    const server = resources.use(createServer({ board, listen: { host: '127.0.0.1', port: 0 } }));
    await server.start();
    client = resources.use(createClient({ address: server.address }));
    worker = await HandWorker.join(board);
  });
  afterAll(() => resources.disposeAsync());

  test('the result is what the flow returned', async () => {
    const job = await client.post(hello, { name: 'world' });
    expect(job.created).toBe(true);
    const result = job.result();
    const claim = await worker.claim(job.id);
    await worker.succeed(claim, { greeting: 'hello world' });
    const { greeting } = await result;
    expect(greeting).toBe('hello world');
  });

  test('a watch shows the job as it is, its checkpoints, and its end', async () => {
    const job = await client.post<HelloFlow>('hello', { name: 'watcher' }, { labels: { a: 'b' } });
    const kinds: string[] = [];
    let claim: Awaited<ReturnType<HandWorker['claim']>> | undefined;
    for await (const view of job.watch()) {
      kinds.push(`${view.status.phase.kind} ${view.atoms.length}`);
      if (view.status.phase.kind === 'ready') claim = await worker.claim(job.id);
      else if (claim && view.atoms.length === 0) await worker.checkpoint(claim);
      else if (claim && view.status.phase.kind === 'running') await worker.succeed(claim, {});
    }
    expect(kinds).toEqual(['ready 0', 'running 0', 'running 1', 'succeeded 1']);
    const view = await job.get();
    expect(view.spec).toMatchObject({ flow: 'hello', labels: { a: 'b' }, priority: 5 });
  });

  test('a failure arrives with its type, message, stack, task and causes', async () => {
    const job = await client.post(hello, { name: 'nobody' });
    const claim = await worker.claim(job.id);
    const thrown = new TypeError('no such name', { cause: new RangeError('too short') });
    const failure = await worker.fail(claim, thrown);
    const error = await job.result().then(
      () => undefined,
      (rejected: unknown) => rejected,
    );
    expect(error).toBeInstanceOf(JobFailedError);
    expect(error).toMatchObject({
      code: 'JOB_FAILED',
      state: 'failed',
      jobId: job.id,
      failure: {
        type: 'TypeError',
        message: 'no such name',
        stack: failure.stack,
        task: 'greet',
        causes: [{ type: 'RangeError', message: 'too short' }],
      },
    });
    expect(String(error)).toContain('failed in task greet: TypeError: no such name');
  });

  test('a waiting job is cancelled at once, and its result says so', async () => {
    const job = await client.post(hello, { name: 'never' }, { delayMs: 60_000 });
    const status = await job.cancel({ reason: 'changed my mind' });
    expect(status.phase.kind).toBe('cancelled');
    await expect(job.result()).rejects.toThrow(JobCancelledError);
    expect((await job.cancel()).phase.kind).toBe('cancelled');
  });

  test('a failed job can be revived', async () => {
    const job = await client.post(hello, { name: 'phoenix' });
    await worker.fail(await worker.claim(job.id), new Error('first'));
    await expect(job.result()).rejects.toThrow(JobFailedError);
    const status = await client.revive(job.id);
    expect(status).toMatchObject({ revivals: 1 });
    await worker.succeed(await worker.claim(job.id), { greeting: 'again' });
    await expect(client.job<HelloFlow>(job.id).result()).resolves.toEqual({ greeting: 'again' });
  });

  test('a wait that ends early leaves the job alone', async () => {
    const job = await client.post(hello, { name: 'slow' }, { delayMs: 60_000 });
    await expect(job.result({ deadlineMs: 100 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    await expect(job.result({ signal: AbortSignal.timeout(100) })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect((await job.status()).phase.kind).toBe('scheduled');
  });

  test('the same key and content is the same job, also with a delay; other content is refused (G6)', async () => {
    const options = { idempotencyKey: 'order-17', delayMs: 60_000 };
    const first = await client.post(hello, { name: 'once' }, options);
    const second = await client.post(hello, { name: 'once' }, options);
    expect(second).toMatchObject({ id: first.id, created: false });
    await expect(client.post(hello, { name: 'twice' }, options)).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      ids: { jobId: first.id },
    });
  });

  test('a bulk post has a verdict for each job, in order', async () => {
    await client.post(hello, { name: 'taken' }, { idempotencyKey: 'taken', delayMs: 60_000 });
    const jobs = Array.from({ length: 1500 }, (_, index) => ({
      flow: hello,
      input: { name: `n${index}` },
      delayMs: 60_000,
      labels: { batch: 'bulk' },
      ...(index === 1200 ? { idempotencyKey: 'taken' } : {}),
    }));
    const outcomes = await client.postMany(jobs);
    expect(outcomes).toHaveLength(1500);
    expect(outcomes.filter(({ kind }) => kind === 'refused')).toHaveLength(1);
    expect(outcomes[1200]).toMatchObject({ kind: 'refused', error: { code: 'ALREADY_EXISTS' } });
    const last = outcomes[1499];
    const view = last?.kind === 'posted' ? await last.job.get() : undefined;
    expect(new TextDecoder().decode(view?.spec.input.data)).toBe('{"name":"n1499"}');
  });

  test('a bulk that is larger than a request goes out in several', async () => {
    const name = 'x'.repeat(500_000);
    const jobs = Array.from({ length: 40 }, () => ({
      flow: hello,
      input: { name },
      queue: 'large',
    }));
    const outcomes = await client.postMany(jobs, { deadlineMs: 60_000 });
    expect(outcomes.filter(({ kind }) => kind === 'posted')).toHaveLength(40);
    for await (const { status } of client.jobs({ queue: 'large' })) {
      await client.job(status.id).cancel();
    }
  });

  test('the producer’s trace is the trace of the job (G10)', async () => {
    const trace = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'v=1' };
    const job = await client.post(hello, { name: 'traced' }, { trace, delayMs: 60_000 });
    const { spec } = await job.get();
    expect(spec.trace?.traceparent.slice(0, 35)).toBe(trace.traceparent.slice(0, 35));
  });

  test('a listing runs over all pages, newest first, and stops when its consumer does', async () => {
    const found: string[] = [];
    for await (const { status, postedAtUnixMs } of client.jobs({
      states: ['scheduled'],
      pageSize: 400,
    })) {
      found.push(`${postedAtUnixMs} ${status.id}`);
      expect(status.phase.kind).toBe('scheduled');
    }
    expect(found.length).toBeGreaterThanOrEqual(1500);
    expect(found).toEqual(found.toSorted().toReversed());
    let seen = 0;
    for await (const _job of client.jobs({ pageSize: 10 })) {
      seen += 1;
      if (seen === 3) break;
    }
    expect(seen).toBe(3);
  });

  test('flows and workers are told as they are registered', async () => {
    const flows = await Array.fromAsync(client.flows());
    expect(flows.map(({ flow }) => flow.name)).toEqual(['hello']);
    expect(await client.flow('hello')).toMatchObject({
      workers: 1,
      flow: { nodes: [{ name: 'greet' }] },
    });
    const workers = await Array.fromAsync(client.workers());
    expect(workers).toMatchObject([{ info: { id: worker.id, isDraining: false }, isLive: true }]);
    await client.drain(worker.id);
    await expect(client.drain(`gone-${'0'.repeat(26)}`)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});
