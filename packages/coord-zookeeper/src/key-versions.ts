// Versions of keys, as the seam sees them: the number of the put, counted from 1, twice, and one more
// for a key of a session. So a guard on a version says too which kind of node it means, and what is
// known by it need not be read.
import type { Entry, Key, Version } from '@holdfast/coord';
import type { NodeStat } from './messages.ts';

/** The largest version that a node can have; none gets there. */
const MAX_NODE_VERSION = 2 ** 31 - 1;

/** What a guard on a version means. */
export interface NodeVersion {
  readonly version: number;
  readonly isOwned: boolean;
}

export function versionOf(stat: { readonly version: number; readonly isOwned: boolean }): Version {
  return (BigInt(stat.version) + 1n) * 2n + (stat.isOwned ? 1n : 0n);
}

/**
 * The node's version behind a version of the seam; one that no node has when there is no such. Never
 * negative: to ZooKeeper, -1 means any version.
 */
export function nodeVersionOf(version: Version): NodeVersion {
  const number = (version >> 1n) - 1n;
  const isPossible = number >= 0n && number < BigInt(MAX_NODE_VERSION);
  return {
    version: isPossible ? Number(number) : MAX_NODE_VERSION,
    isOwned: (version & 1n) === 1n,
  };
}

/** The entry as its reader may keep and change it. */
export function entryOf(key: Key, node: { readonly data: Buffer; readonly stat: NodeStat }): Entry {
  const { version, owner } = node.stat;
  return {
    key,
    value: Uint8Array.from(node.data),
    version: versionOf({ version, isOwned: owner !== 0n }),
  };
}
