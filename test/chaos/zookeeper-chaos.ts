// ZooKeeper as a chaos campaign has it: three members, each of which reaches each other one through
// proxies of its own, for the quorum and for elections.
import {
  startZooKeeperEnsemble,
  type ZooKeeperEnsemble,
  type ZooKeeperServer,
} from '../support/zookeeper-server.ts';
import type { ChaosStore, StoreFault } from './chaos-store.ts';
import { FaultProxy, type LinkFault } from './fault-proxy.ts';
import { dataFolders, diskFaults, mountSmallDisk, type SmallDisk } from './full-disk.ts';
import { makeTemporaryFolder } from './temporary-folder.ts';

/** Enough for the logs and snapshots of a long campaign, little enough to be filled at once. */
const DISK_MIB = 512;
/** ZooKeeper writes ahead into space that it has taken before; it notices a full disk when that is used up. */
const HEAP_MIB = 256;

/** A member that follows a new leader may come before that one listens, and would try again. */
const PATIENCE_MS = 3000;

interface MemberLinkProxy {
  readonly between: readonly [number, number];
  readonly proxy: FaultProxy;
}

/** Starts an ensemble for a campaign. */
export async function startZooKeeperChaos(): Promise<ChaosStore> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await makeTemporaryFolder('zookeeper'));
  const disk = await mountSmallDisk(DISK_MIB);
  if (typeof disk !== 'string') stack.use(disk);
  const links: MemberLinkProxy[] = [];
  const ensemble = await startZooKeeperEnsemble({
    heapMb: HEAP_MIB,
    route: async ({ from, to, port }) => {
      const proxy = stack.use(
        await FaultProxy.open({ target: `127.0.0.1:${port}`, patienceMs: PATIENCE_MS }),
      );
      links.push({ between: [from, to], proxy });
      return Number(proxy.address.slice(proxy.address.indexOf(':') + 1));
    },
    dataFolder: dataFolders(disk, folder.path),
  });
  stack.use(ensemble);
  const [first] = ensemble.members;
  const version = /version: ([\d.]+)/.exec((await first?.ask('srvr')) ?? '')?.[1] ?? 'unknown';
  const held = stack.move();
  return new ZooKeeperChaos({
    ensemble,
    links,
    disk,
    version: `ZooKeeper ${version}`,
    close: () => held.disposeAsync(),
  });
}

interface ZooKeeperChaosParts {
  readonly ensemble: ZooKeeperEnsemble;
  readonly links: readonly MemberLinkProxy[];
  readonly disk: SmallDisk | string;
  readonly version: string;
  readonly close: () => Promise<void>;
}

class ZooKeeperChaos implements ChaosStore {
  readonly kind = 'zookeeper';
  readonly version: string;
  readonly members: readonly ZooKeeperServer[];
  readonly faults: readonly StoreFault[];
  readonly missing: readonly string[];
  readonly #parts: ZooKeeperChaosParts;

  constructor(parts: ZooKeeperChaosParts) {
    const { disk } = parts;
    this.#parts = parts;
    this.version = parts.version;
    this.members = parts.ensemble.members;
    const { faults, missing } = diskFaults(disk, this.members);
    this.faults = faults;
    this.missing = missing;
  }

  url(endpoints: readonly string[]): string {
    return `zk://${endpoints.join(',')}/chaos`;
  }

  async leader(): Promise<number | undefined> {
    const answers = await Promise.all(
      this.members.map((member) => member.ask('srvr').catch(() => '')),
    );
    const index = answers.findIndex((answer) => /^Mode: leader$/m.test(answer));
    return index < 0 ? undefined : index;
  }

  breakLink(a: number, b: number, fault: LinkFault): () => void {
    const heals = this.#parts.links
      .filter(({ between }) => between.includes(a) && between.includes(b))
      .map(({ proxy }) => proxy.inject(fault));
    return () => {
      for (const heal of heals) heal();
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.close();
  }
}
