import { type Command, Option } from 'commander';
import { DEFAULT_STORE } from './store-url.ts';

/** Adds `--store`. */
export function addStoreOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--store <url>',
      'sqlite:PATH, etcd://HOST:PORT,…/PREFIX, zk://HOST:PORT,…/PREFIX, or memory: (gone with its process)',
    )
      .env('HOLDFAST_STORE')
      .default(DEFAULT_STORE),
  );
}
