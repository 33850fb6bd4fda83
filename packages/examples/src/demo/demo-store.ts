import { randomBytes } from 'node:crypto';
import { openStore } from '@holdfast/cli';
import { silentLogger, systemClock, systemRandom } from '@holdfast/core';

/** Where one run of the demo keeps its board. */
export interface DemoStore {
  readonly url: string;
  /** True when nothing but this run is there, so that it can be cleared away. */
  readonly isOwn: boolean;
}

/** The store of one run: a file in `folder`, or on etcd and ZooKeeper a prefix that no other run has. */
export function storeOfRun(store: string | undefined, folder: string): DemoStore {
  if (store === undefined) return { url: `sqlite:${folder}/holdfast.db`, isOwn: true };
  const shared = /^((?:etcd|zk):\/\/[^/?]+)(\/[^?]*)?(\?.*)?$/.exec(store);
  if (!shared) return { url: store, isOwn: false };
  const [, hosts = '', prefix = '/holdfast', query = ''] = shared;
  const run = randomBytes(4).toString('hex');
  return { url: `${hosts}${prefix.replace(/\/+$/, '')}/demo-${run}${query}`, isOwn: true };
}

// As many removals as every store takes in one commit.
const BATCH = 100;

/** Removes every key of a run's own store. */
export async function clearStore({ url, isOwn }: DemoStore): Promise<void> {
  if (!isOwn) return;
  const coord = await openStore(url, {
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  try {
    for (let hasMore = true; hasMore; ) {
      const { entries, more } = await coord.list({ prefix: '', limit: BATCH });
      const write = entries.map(({ key }) => ({ kind: 'remove', key }) as const);
      if (write.length > 0) await coord.commit({ when: [], write });
      hasMore = more;
    }
  } finally {
    await coord.stop();
  }
}
