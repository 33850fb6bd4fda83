// Folders that are gone with the process that made them, also when it leaves in a hurry.
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder; disposing removes it and all that is in it. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/**
 * Makes a folder. `beforeRemoval` is called first when the process exits without having disposed of it:
 * to unmount what is mounted there, for instance.
 */
export async function makeTemporaryFolder(
  name: string,
  options: { readonly beforeRemoval?: (path: string) => void } = {},
): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), `holdfast-${name}-`));
  const removeNow = (): void => {
    options.beforeRemoval?.(path);
    // What writes into it was killed a moment ago.
    rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  };
  process.on('exit', removeNow);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      process.off('exit', removeNow);
      await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}
