// A small file system of its own for one member of a store, so that its disk can be full. Needs the
// right to mount; where that is missing, `mountSmallDisk` says so and the fault is left out.
import { execFile, spawnSync } from 'node:child_process';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ChaosStore, StoreFault, StoreMember } from './chaos-store.ts';
import { makeTemporaryFolder } from './temporary-folder.ts';

const run = promisify(execFile);
const CHUNK = Buffer.alloc(4_194_304);

/** A mounted file system; disposing unmounts it. */
export interface SmallDisk extends AsyncDisposable {
  readonly folder: string;
  /** Writes until nothing more fits. */
  fill(): Promise<void>;
  /** Removes what `fill` wrote. */
  free(): Promise<void>;
}

/** Mounts a memory-backed file system of so many MiB; the reason when that can't be done. */
export async function mountSmallDisk(sizeMib: number): Promise<SmallDisk | string> {
  const made = await makeTemporaryFolder('disk', {
    beforeRemoval: (path) => spawnSync('umount', ['-l', path]),
  });
  const folder = made.path;
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'holdfast-chaos', folder]);
  } catch (error) {
    await made[Symbol.asyncDispose]();
    return `mounting a small disk is not permitted here (${firstLine(error)})`;
  }
  const filler = join(folder, 'filler');
  return {
    folder,
    fill: () => fillUp(filler),
    free: () => rm(filler, { force: true }),
    [Symbol.asyncDispose]: async () => {
      // Lazily: a process that was killed a moment ago may still be letting go of its files.
      await run('umount', ['-l', folder]);
      await made[Symbol.asyncDispose]();
    },
  };
}

async function fillUp(path: string): Promise<void> {
  await using file = await open(path, 'w');
  for (let size = CHUNK.length; size >= 512; ) {
    try {
      await file.write(CHUNK, 0, size);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      size = Math.floor(size / 2); // The last bytes are filled in ever smaller pieces.
    }
  }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split('\n').at(-1) ?? text;
}

/** The number of the member whose disk can be full. */
export const SMALL_DISK_MEMBER = 0;

/** Where each member keeps its data: one of them on the small disk, if there is one. */
export function dataFolders(disk: SmallDisk | string, other: string): (member: number) => string {
  return (member) => {
    const isSmall = member === SMALL_DISK_MEMBER && typeof disk !== 'string';
    return join(isSmall ? disk.folder : other, `member-${member}`);
  };
}

/**
 * The fault of a full disk, or why it can't be made. The member ends itself when it can't write; it
 * is started again once there is room.
 */
export function diskFaults(
  disk: SmallDisk | string,
  members: readonly StoreMember[],
): Pick<ChaosStore, 'faults' | 'missing'> {
  const kind = 'store disk full';
  if (typeof disk === 'string') return { faults: [], missing: [`${kind}: ${disk}`] };
  const fillAndFree: StoreFault['run'] = async ({ holdMs }) => {
    try {
      await disk.fill();
      await delay(holdMs);
    } finally {
      await disk.free();
      await members[SMALL_DISK_MEMBER]?.restart();
    }
  };
  return { faults: [{ kind, run: fillAndFree }], missing: [] };
}
