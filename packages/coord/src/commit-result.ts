import { assert } from '@holdfast/core';
import type { Commit, CommitResult, Guard, Version } from './coord.ts';

/**
 * The verdict on a commit that happened, on a store where one commit gives one version to all the
 * keys it puts. `versionOf` of any other key is a defect of the caller and asserts.
 */
export function committedAt(commit: Commit, version: Version): CommitResult {
  return {
    committed: true,
    versionOf(key) {
      const isPut = commit.write.some((write) => write.kind === 'put' && write.key === key);
      assert(isPut, `versionOf(${JSON.stringify(key)}): this commit did not put that key`);
      return version;
    },
  };
}

/** The verdict on a commit that did not happen, because `guard` was the first that did not hold. */
export function refusedBy(guard: Guard): CommitResult {
  return { committed: false, failedGuard: guard };
}

/** True when `guard` holds for a key with this version; `undefined` when the key isn't there. */
export function guardHolds(guard: Guard, version: Version | undefined): boolean {
  switch (guard.kind) {
    case 'absent':
      return version === undefined;
    case 'exists':
      return version !== undefined;
    case 'unchanged':
      return version === guard.version;
    default:
      throw guard satisfies never;
  }
}
