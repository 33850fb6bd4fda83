import type { Board } from '@holdfast/board';
import { type Client, createClient } from '@holdfast/client';
import { VirtualClock } from '@holdfast/core';
import { createServer } from '@holdfast/server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryBoards, registerFlow } from '../support/memory-board.ts';

// The server remembers a known flow for this long.
const FLOW_MEMORY_MS = 1000;

describe('which flows can be posted to', () => {
  const resources = new AsyncDisposableStack();
  const clock = new VirtualClock();
  let board: Board;
  let client: Client;

  beforeAll(async () => {
    board = await resources.use(new MemoryBoards()).openBoard();
    const listen = { host: '127.0.0.1', port: 0 };
    const server = resources.use(createServer({ board, listen, clock }));
    await server.start();
    client = resources.use(createClient({ address: server.address, retry: { attempts: 1 } }));
  });
  afterAll(() => resources.disposeAsync());

  test('a flow that was just registered can be posted to at once (D1)', async () => {
    await expect(client.post('fresh', 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await registerFlow(board, 'fresh', '');
    await expect(client.post('fresh', 1)).resolves.toMatchObject({ created: true });
  });

  test('a schema that was replaced is used for a bounded time more (D2)', async () => {
    await registerFlow(board, 'changing', '{"type":"string"}');
    await client.post('changing', 'text');
    await registerFlow(board, 'changing', '{"type":"number"}');
    await clock.advance(FLOW_MEMORY_MS - 1);
    await expect(client.post('changing', 17)).rejects.toThrow('must be string, got 17');
    await clock.advance(1);
    await expect(client.post('changing', 17)).resolves.toMatchObject({ created: true });
    await expect(client.post('changing', 'text')).rejects.toThrow('must be number, got "text"');
  });

  test('of many flows the error names the first ones, and says that there are more', async () => {
    for (let index = 10; index < 35; index += 1) await registerFlow(board, `many-${index}`, '');
    const error: unknown = await client.post('x', 1).catch((thrown: unknown) => thrown);
    expect(String(error)).toMatch(
      /flow "x" is not registered; registered: changing, fresh, .*, …$/,
    );
    expect(String(error).split(', ')).toHaveLength(21);
  });
});
