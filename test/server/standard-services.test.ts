import { createClient } from '@holdfast/client';
import { createServer, type Server } from '@holdfast/server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryBoards } from '../support/memory-board.ts';
import { callRaw, field, type RawAnswer, readFields } from '../support/raw-grpc.ts';

const DEADLINE_EXCEEDED = 4;
const UNAVAILABLE = 14;
const SERVICES = [
  'holdfast.v1.JobService',
  'holdfast.v1.FlowService',
  'holdfast.v1.WorkerService',
  'grpc.health.v1.Health',
];

describe('what any gRPC client can ask', () => {
  const resources = new AsyncDisposableStack();
  let server: Server;

  beforeAll(async () => {
    const board = await resources.use(new MemoryBoards()).openBoard();
    server = resources.use(createServer({ board, listen: { host: '127.0.0.1', port: 0 } }));
    await server.start();
  });
  afterAll(() => resources.disposeAsync());

  function reflect(version: string, ...requests: readonly Buffer[]): Promise<RawAnswer> {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    return callRaw({ address: server.address, path, requests });
  }

  test.each(['v1', 'v1alpha'])('reflection %s lists the services', async (version) => {
    const { messages, status } = await reflect(version, field(7, '*'));
    expect(status).toBe(0);
    const [list] = readFields(messages[0] ?? Buffer.alloc(0)).get(6) ?? [];
    const services = readFields(list ?? Buffer.alloc(0)).get(1) ?? [];
    const names = services.map((service) => String(readFields(service).get(1)?.[0]));
    expect(names.toSorted()).toEqual(SERVICES.toSorted());
  });

  test('reflection describes each service with all the files it needs', async () => {
    const { messages } = await reflect('v1', ...SERVICES.map((service) => field(4, service)));
    expect(messages).toHaveLength(SERVICES.length);
    for (const message of messages) {
      const [response] = readFields(message).get(4) ?? [];
      const files = (readFields(response ?? Buffer.alloc(0)).get(1) ?? []).map(readFields);
      const names = files.map((file) => String(file.get(1)?.[0]));
      const needed = files.flatMap((file) => (file.get(3) ?? []).map(String));
      expect(needed.filter((name) => !names.includes(name))).toEqual([]);
      expect(names.length).toBeGreaterThan(0);
    }
  });

  test.each(['', ...SERVICES.slice(0, 3)])('health of %j is SERVING', async (service) => {
    const { messages, status } = await callRaw({
      address: server.address,
      path: '/grpc.health.v1.Health/Check',
      requests: [field(1, service)],
    });
    expect({ status, answer: messages[0] }).toEqual({ status: 0, answer: Buffer.of(8, 1) });
  });

  test('a call whose deadline has passed does no work', async () => {
    const answer = await callRaw({
      address: server.address,
      path: '/holdfast.v1.JobService/PostJob',
      requests: [Buffer.alloc(0)],
      headers: { 'grpc-timeout': '0m' },
    });
    expect(answer.status).toBe(DEADLINE_EXCEEDED);
  });

  test('a watch ends when its deadline passes', async () => {
    await using client = createClient({ address: server.address });
    const job = await client.post('hello', { name: 'x' }, { delayMs: 60_000 });
    const answer = await callRaw({
      address: server.address,
      path: '/holdfast.v1.JobService/WatchJob',
      requests: [field(1, job.id)],
      headers: { 'grpc-timeout': '200m' },
    });
    expect(answer.status).toBe(DEADLINE_EXCEEDED);
    expect(answer.messages).toHaveLength(1);
  });

  test('a request that is no protobuf is refused', async () => {
    const answer = await callRaw({
      address: server.address,
      path: '/holdfast.v1.JobService/GetJob',
      requests: [Buffer.of(255, 255)],
    });
    expect(answer.status).toBe(13);
  });

  test('errors carry google.rpc details in their trailers', async () => {
    const answer = await callRaw({
      address: server.address,
      path: '/holdfast.v1.JobService/GetJob',
      requests: [field(1, 'nonsense')],
    });
    expect(answer.status).toBe(3);
    expect(answer.message).toContain('id: "nonsense" is not allowed; allowed: a job id');
    const trailer = Buffer.from(String(answer.trailers['grpc-status-details-bin']), 'base64');
    const details = (readFields(trailer).get(3) ?? []).map(readFields);
    expect(details.map((any) => String(any.get(1)?.[0]))).toEqual([
      'type.googleapis.com/google.rpc.ErrorInfo',
      'type.googleapis.com/google.rpc.BadRequest',
    ]);
  });
});

describe('starting and stopping (N2, N3)', () => {
  test('start and stop may be called again, and at the same time', async () => {
    await using boards = new MemoryBoards();
    const board = await boards.openBoard();
    const server = createServer({ board, listen: { host: '127.0.0.1', port: 0 } });
    await Promise.all([server.start(), server.start()]);
    const { address } = server;
    await using client = createClient({ address });
    await expect(client.flow('hello')).resolves.toMatchObject({ workers: 0 });
    await Promise.all([server.stop(), server.stop()]);
    expect(() => server.address).toThrow('the server does not run');
    await Promise.all([server.start(), server.stop(), server.start()]);
    expect(server.address).toMatch(/^127\.0\.0\.1:\d+$/);
    await server.stop();
  });

  test('an address that is taken is named', async () => {
    await using boards = new MemoryBoards();
    const board = await boards.openBoard();
    await using first = createServer({ board, listen: { host: '127.0.0.1', port: 0 } });
    await first.start();
    const port = Number(first.address.split(':')[1]);
    const second = createServer({ board, listen: { host: '127.0.0.1', port } });
    await expect(second.start()).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining(`cannot listen on 127.0.0.1:${port}`),
    });
    await second.stop();
  });

  test('stop ends every stream with UNAVAILABLE, whoever serves it, well within its grace', async () => {
    await using boards = new MemoryBoards();
    const board = await boards.openBoard();
    const server = createServer({ board, listen: { host: '127.0.0.1', port: 0 } });
    await server.start();
    const { address } = server;
    await using client = createClient({ address });
    const job = await client.post('hello', { name: 'x' }, { delayMs: 60_000 });
    const opened: Promise<void>[] = [];
    const open = (path: string, request: Buffer): Promise<RawAnswer> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      opened.push(promise);
      return callRaw({ address, path, requests: [request], onMessage: () => resolve() });
    };
    const streams = [
      open('/holdfast.v1.JobService/WatchJob', field(1, job.id)),
      open('/grpc.health.v1.Health/Watch', Buffer.alloc(0)),
    ];
    await Promise.all(opened);
    const startedMs = performance.now();
    await server.stop();
    expect(performance.now() - startedMs).toBeLessThan(3000);
    for (const answer of await Promise.all(streams)) expect(answer.status).toBe(UNAVAILABLE);
  });

  test('stop lets a call finish that is being answered', async () => {
    await using boards = new MemoryBoards();
    const board = await boards.openBoard();
    const server = createServer({ board, listen: { host: '127.0.0.1', port: 0 } });
    await server.start();
    await using client = createClient({ address: server.address, retry: { attempts: 1 } });
    const job = await client.post('hello', { name: 'x' });
    const gate = Promise.withResolvers<void>();
    board.gate = gate.promise;
    const answer = job.status();
    await client.flow('hello'); // The call before this one has arrived.
    const stopped = server.stop();
    gate.resolve();
    expect(await answer).toMatchObject({ id: job.id });
    await stopped;
  });

  test('stop cuts a call that does not finish within the grace', async () => {
    await using boards = new MemoryBoards();
    const board = await boards.openBoard();
    const listen = { host: '127.0.0.1', port: 0 };
    const server = createServer({ board, listen, limits: { stopGraceMs: 200 } });
    await server.start();
    await using client = createClient({ address: server.address, retry: { attempts: 1 } });
    const job = await client.post('hello', { name: 'x' });
    const gate = Promise.withResolvers<void>();
    board.gate = gate.promise;
    const answer = job.status().catch((error: unknown) => error);
    await client.flow('hello'); // The call before this one has arrived.
    const startedMs = performance.now();
    await server.stop();
    expect(performance.now() - startedMs).toBeLessThan(2000);
    expect(await answer).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    gate.resolve();
  });

  test('any number of servers work on one store', async () => {
    await using boards = new MemoryBoards();
    const listen = { host: '127.0.0.1', port: 0 };
    await using one = createServer({ board: await boards.openBoard(), listen });
    await using two = createServer({ board: await boards.openBoard(), listen });
    await Promise.all([one.start(), two.start()]);
    await using poster = createClient({ address: one.address });
    await using reader = createClient({ address: two.address });
    const job = await poster.post('hello', { name: 'x' });
    expect(await reader.job(job.id).status()).toMatchObject({ phase: { kind: 'ready' } });
  });
});
