import type { ChaosStore, ChaosStoreKind } from './chaos-store.ts';
import { startEtcdChaos } from './etcd-chaos.ts';
import { startZooKeeperChaos } from './zookeeper-chaos.ts';

/** Starts a store of three members for a campaign. */
export async function openChaosStore(kind: ChaosStoreKind): Promise<ChaosStore> {
  switch (kind) {
    case 'etcd':
      return await startEtcdChaos();
    case 'zookeeper':
      return await startZooKeeperChaos();
    default:
      return kind satisfies never;
  }
}
