import { expect, it } from 'vitest';
import { nodeVersionOf, versionOf } from './key-versions.ts';

it('a version tells the node’s version and whether it belongs to a session', () => {
  for (const version of [0, 1, 2 ** 31 - 2]) {
    for (const isOwned of [false, true]) {
      expect(nodeVersionOf(versionOf({ version, isOwned }))).toEqual({ version, isOwned });
    }
  }
});

it('a version that no key has means one that no node has, never any', () => {
  for (const version of [0n, 1n, 2n ** 33n, 2n ** 63n - 1n]) {
    expect(nodeVersionOf(version).version).toBe(2 ** 31 - 1);
  }
});
