// The one place that chooses a driver. Each driver is loaded only when it is used, so that nobody
// pays for the client of a store that isn't theirs.
import type { Coord } from '@holdfast/coord';
import { withoutPassword } from '@holdfast/coord';
import type { Clock, Logger, Random } from '@holdfast/core';
import { InvalidArgumentError } from '@holdfast/core';
import { parseStoreUrl, type StoreLocation } from './store-url.ts';

/** What every driver takes. */
export interface StoreParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Opens and starts the store that `url` names; the caller stops it. A SQLite file is made, with its
 * folders, where it isn't there. Throws a StoreUrlError for a URL that can't be understood, an
 * InvalidArgumentError naming the URL for one whose parts the driver refuses, such as a file that is
 * no database, and an UnavailableError when the store can't be reached.
 */
export async function openStore(url: string, parts: StoreParts): Promise<Coord> {
  try {
    const coord = await createDriver(parseStoreUrl(url), parts);
    await coord.start().catch(async (error: unknown) => {
      await coord.stop();
      throw error;
    });
    return coord;
  } catch (error) {
    throw error instanceof InvalidArgumentError ? ofUrl(error, url) : error;
  }
}

/** A driver names its own options; whoever gave a URL knows the URL. */
function ofUrl({ violations }: InvalidArgumentError, url: string): InvalidArgumentError {
  return new InvalidArgumentError(
    violations.map(({ field, description }) => ({
      field: `the ${field} of store URL ${JSON.stringify(withoutPassword(url))}`,
      description,
    })),
  );
}

async function createDriver(location: StoreLocation, parts: StoreParts): Promise<Coord> {
  switch (location.kind) {
    case 'memory': {
      const { createMemoryStore, openMemoryCoord } = await import('@holdfast/coord');
      return openMemoryCoord(createMemoryStore(parts), parts);
    }
    case 'sqlite': {
      const { openSqliteCoord } = await import('@holdfast/coord-sqlite');
      return openSqliteCoord({ ...parts, path: location.path });
    }
    case 'etcd': {
      const { openEtcdCoord } = await import('@holdfast/coord-etcd');
      const { endpoints, prefix, auth, tls } = location;
      return openEtcdCoord({ ...parts, endpoints, prefix, auth, tls });
    }
    case 'zookeeper': {
      const { openZooKeeperCoord, parseZooKeeperUrl } = await import('@holdfast/coord-zookeeper');
      return openZooKeeperCoord({ ...parts, ...parseZooKeeperUrl(location.url) });
    }
    default:
      return location satisfies never;
  }
}
