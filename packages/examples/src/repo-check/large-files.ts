import type { GitRepository } from './git.ts';
import { CHECK_LIMITS, shorten } from './limits.ts';
import { readTree } from './tree-file.ts';

export interface LargeFiles {
  /** A file of more bytes than this is large. */
  readonly thresholdBytes: number;
  readonly files: number;
  readonly totalBytes: number;
  readonly largeFiles: number;
  /** The largest ones, largest first. */
  readonly listed: readonly { readonly path: string; readonly sizeBytes: number }[];
  /** Large files that are not listed. */
  readonly notListed: number;
  /** Files beyond `CHECK_LIMITS.files`, whose size is unknown. */
  readonly filesLeftOut: number;
  readonly linksAndSubmodules: number;
}

/** Finds the large files of a commit by the sizes that git's objects have. */
export async function findLargeFiles(
  repository: GitRepository,
  commit: string,
): Promise<LargeFiles> {
  const tree = await readTree(repository, commit);
  const large = tree.files
    .filter((file) => file.sizeBytes > CHECK_LIMITS.largeFileBytes)
    .sort((a, b) => b.sizeBytes - a.sizeBytes || (a.path < b.path ? -1 : 1));
  const listed = large
    .slice(0, CHECK_LIMITS.listed)
    .map((file) => ({ path: shorten(file.path), sizeBytes: file.sizeBytes }));
  return {
    thresholdBytes: CHECK_LIMITS.largeFileBytes,
    files: tree.files.length,
    totalBytes: tree.files.reduce((sum, file) => sum + file.sizeBytes, 0),
    largeFiles: large.length,
    listed,
    notListed: large.length - listed.length,
    filesLeftOut: tree.filesLeftOut,
    linksAndSubmodules: tree.linksAndSubmodules,
  };
}
