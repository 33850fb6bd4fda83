// Posting over gRPC: one by one, side by side, and in bulk.

import { openBenchBoard } from './bench-board.ts';
import type { BenchStore } from './bench-store.ts';
import type { Figure } from './figure.ts';
import { rate } from './raw-store.ts';

const BULK = 500;

export async function measurePosts(store: BenchStore): Promise<readonly Figure[]> {
  await using board = await openBenchBoard(store);
  const { client } = board;
  const one = async (): Promise<unknown> => await client.post<typeof board.noop>('bench-noop', {});
  const bulk = async (): Promise<unknown> => await board.postMany(BULK);
  await rate({ calls: 200, atOnce: 8, perCall: 1, run: one });
  const single = await rate({ calls: 1000, atOnce: 1, perCall: 1, run: one });
  const concurrent = await rate({ calls: 10_000, atOnce: 64, perCall: 1, run: one });
  const inBulk = await rate({ calls: 60, atOnce: 4, perCall: BULK, run: bulk });
  return [
    { name: 'post, one by one', value: single, unit: '/s', ofRaw: single / store.raw.single },
    {
      name: 'post, 64 at once',
      value: concurrent,
      unit: '/s',
      ofRaw: concurrent / store.raw.concurrent,
    },
    {
      name: `post, in bulk of ${BULK}`,
      value: inBulk,
      unit: '/s',
      ofRaw: inBulk / store.raw.grouped,
    },
  ];
}
