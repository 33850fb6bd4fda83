import { parseArgs } from 'node:util';

/** What the demo was asked for. */
export interface DemoOptions {
  /** Store URL; absent for a temporary SQLite file. */
  readonly store: string | undefined;
  /** Repository to check; absent for Holdfast's own. */
  readonly repository: string | undefined;
}

export const USAGE = `Usage: npm run demo -- [options]

Posts 24 repo-check jobs, kills a worker in the middle, and shows that nothing is lost.

Options:
  --store <url>         sqlite:PATH, etcd://HOST:PORT,…/PREFIX or
                        zk://HOST:PORT,…/PREFIX; default: a temporary SQLite file.
                        On etcd and ZooKeeper each run has its own prefix.
  --repository <path>   git repository to check; default: Holdfast's own
  --help`;

/** Reads the arguments; 'help' when that was asked for. Throws a TypeError for unknown ones. */
export function parseDemoOptions(args: readonly string[]): DemoOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      store: { type: 'string' },
      repository: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return 'help';
  return { store: values.store, repository: values.repository };
}
