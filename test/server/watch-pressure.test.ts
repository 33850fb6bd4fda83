import { connect } from 'node:http2';
import { createClient } from '@holdfast/client';
import { createServer } from '@holdfast/server';
import { expect, test } from 'vitest';
import { HandWorker, MemoryBoards, registerFlow } from '../support/memory-board.ts';
import { field, frame } from '../support/raw-grpc.ts';

const CHECKPOINTS = 40;

test('a watcher that does not read holds up nothing, gets fewer states, and the last one (C4)', async () => {
  await using boards = new MemoryBoards();
  const board = await boards.openBoard();
  await registerFlow(board, 'hello', '');
  await using server = createServer({ board, listen: { host: '127.0.0.1', port: 0 } });
  await server.start();
  await using client = createClient({ address: server.address });
  const worker = await HandWorker.join(board);
  // One state is larger than what HTTP/2 lets a sender send to a reader who doesn't read.
  const job = await client.post('hello', 'x'.repeat(300_000));

  const session = connect(`http://${server.address}`);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/holdfast.v1.JobService/WatchJob',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.pause();
  stream.end(frame(field(1, job.id)));
  await new Promise((resolve) => stream.once('response', resolve));

  const claim = await worker.claim(job.id);
  for (let done = 0; done < CHECKPOINTS; done += 1) await worker.checkpoint(claim, done);
  await worker.succeed(claim, {});
  expect(board.taken, 'states that left the server unread').toBeLessThan(3);

  let trailers: Record<string, unknown> = {};
  let size = 0;
  stream.on('trailers', (found) => {
    trailers = found;
  });
  stream.on('data', (data: Buffer) => {
    size += data.length;
  });
  stream.resume();
  await new Promise((resolve) => stream.once('close', resolve));
  session.close();
  expect(trailers['grpc-status']).toBe('0');
  expect(Math.floor(size / 300_000)).toBeLessThan(5);
  expect((await job.status()).phase.kind).toBe('succeeded');
});
