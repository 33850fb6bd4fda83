import { type Client, createClient } from '@holdfast/client';
import { type HoldfastError, InvalidArgumentError, PayloadTooLargeError } from '@holdfast/core';
import { createServer } from '@holdfast/server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryBoards, registerFlow } from '../support/memory-board.ts';

describe('bad input never gets in (G9)', () => {
  const resources = new AsyncDisposableStack();
  let client: Client;

  beforeAll(async () => {
    const boards = resources.use(new MemoryBoards());
    const board = await boards.openBoard();
    await registerFlow(board, 'broken', '{"type":"objekt"}');
    await registerFlow(board, 'anything', '');
    const server = resources.use(createServer({ board, listen: { host: '127.0.0.1', port: 0 } }));
    await server.start();
    client = resources.use(createClient({ address: server.address, retry: { attempts: 1 } }));
  });
  afterAll(() => resources.disposeAsync());

  async function refusalOf(call: Promise<unknown>): Promise<HoldfastError> {
    const error = await call.then(
      () => undefined,
      (rejected: unknown) => rejected,
    );
    const stored = await Array.fromAsync(client.jobs());
    expect(stored, 'nothing is stored for a refused request').toEqual([]);
    return error as HoldfastError;
  }

  test('an unknown flow is NOT_FOUND and names the flows that are registered', async () => {
    const error = await refusalOf(client.post('helo', { name: 'x' }));
    expect(error).toMatchObject({ code: 'NOT_FOUND', ids: { flow: 'helo' } });
    expect(error.message).toBe(
      'flow "helo" is not registered; registered: anything, broken, hello',
    );
  });

  test('an input that its schema refuses has one violation for each field', async () => {
    const error = await refusalOf(client.post('hello', { name: 1, times: 11, tiems: 2 }));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    const { violations } = error as InvalidArgumentError;
    expect(violations.toSorted((a, b) => (a.field < b.field ? -1 : 1))).toEqual([
      { field: 'job.input.name', description: 'must be string, got 1' },
      { field: 'job.input.tiems', description: 'is not a field of this input' },
      { field: 'job.input.times', description: 'must be <= 10, got 11' },
    ]);
  });

  test('wrong fields and a wrong input are named together', async () => {
    const error = await refusalOf(
      client.post('hello', {}, { priority: 17, queue: 'no queue', maxAttempts: 0 }),
    );
    expect((error as InvalidArgumentError).violations.map(({ field }) => field)).toEqual([
      'job.queue',
      'job.priority',
      'job.max_attempts',
      'job.input.name',
    ]);
  });

  test('a payload over the limit is refused with its size and the limit', async () => {
    const error = await refusalOf(client.post('anything', 'x'.repeat(524_287)));
    expect(error).toBeInstanceOf(PayloadTooLargeError);
    expect(error).toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      field: 'job.input',
      sizeBytes: 524_289,
      limitBytes: 524_288,
    });
  });

  test('one malformed job refuses the whole bulk, and is named by its place', async () => {
    const good = { flow: 'hello', input: { name: 'x' } };
    const error = await refusalOf(
      client.postMany([good, { ...good, priority: -1 }, good, { flow: 'hello', input: 7 }]),
    );
    expect((error as InvalidArgumentError).violations).toEqual([
      { field: 'jobs[1].priority', description: '-1 is not allowed; allowed: 0 to 9' },
      { field: 'jobs[3].input', description: 'must be object, got 7' },
    ]);
  });

  test('a schema that the flow registered wrongly is not the fault of the input', async () => {
    const error = await refusalOf(client.post('broken', {}));
    expect(error).toMatchObject({ code: 'FAILED_PRECONDITION', ids: { flow: 'broken' } });
  });

  test('what JSON cannot hold is refused before it is sent', async () => {
    const error = await refusalOf(client.post('anything', { size: 1n }));
    expect(error).toMatchObject({
      violations: [{ field: 'job.input', description: expect.stringContaining('BigInt') }],
    });
  });

  test.each([
    ['a malformed job id', () => client.job('nonsense').get(), 'id: "nonsense" is not allowed'],
    ['a malformed worker id', () => client.drain('nonsense'), 'a worker id'],
    [
      'a page size out of range',
      () => Array.fromAsync(client.jobs({ pageSize: 1001 })),
      'page_size: 1001 is not allowed; allowed: 1 to 1000',
    ],
    [
      'a delay too long',
      () => client.post('anything', 1, { delayMs: 316_224_000_001 }),
      'job.delay_ms: 316224000001 is not allowed; allowed: 0 to 316224000000 ms',
    ],
    [
      'a fraction of a millisecond',
      () => client.post('anything', 1, { delayMs: 0.5 }),
      'job.delay_ms: 0.5 is not allowed; allowed: whole milliseconds',
    ],
    [
      'run_at and delay at once',
      () => client.post('anything', 1, { delayMs: 1, runAtUnixMs: 1 }),
      'job.delay_ms: cannot be combined with run_at',
    ],
    [
      'a deadline that is none',
      () => client.post('anything', 1, { deadlineMs: 0 }),
      'deadlineMs: 0 is not allowed',
    ],
  ])('%s is refused with the field, the value and what is allowed', async (_name, call, text) => {
    const error = await refusalOf(Promise.resolve().then<unknown>(call));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(error.message).toContain(text);
  });

  test('a request that is too large for the server is refused', async () => {
    const input = 'x'.repeat(17_000_000);
    const error = await refusalOf(client.post('anything', input));
    expect(error.code).toBe('RESOURCE_EXHAUSTED');
  });

  test('a job that is not there is NOT_FOUND, also to a watch', async () => {
    const absent = client.job(`0${'1'.repeat(25)}`);
    for (const call of [() => absent.get(), () => absent.result(), () => absent.cancel()]) {
      const error = await refusalOf(call());
      expect(error).toMatchObject({ code: 'NOT_FOUND', ids: { jobId: absent.id } });
    }
  });
});
