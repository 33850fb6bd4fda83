import { type Client, createClient } from '@holdfast/client';
import { fromUnknown, UnavailableError } from '@holdfast/core';
import { type Command, Option } from 'commander';
import { parseDuration } from './duration.ts';
import { parseAddress } from './option-values.ts';
import { DEFAULT_ADDRESS, readPem } from './server-options.ts';

/** How to reach a server, as options name it. */
export interface ClientOptions {
  readonly address: string;
  readonly token?: string | undefined;
  readonly tls?: boolean | undefined;
  readonly tlsCa?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** For each call, in milliseconds. */
  readonly timeout: number;
}

const DEFAULT_TIMEOUT = '15s';
// Someone waits at the terminal: a server that isn't there is told after less than a second, not
// after the minute that a service would give it.
const TRIES = 4;
const WATCH_PATIENCE_MS = 30_000;

/** Adds what every command that talks to a server takes, in a group of its own. */
export function addClientOptions(command: Command): Command {
  const group = 'Connection:';
  const options = [
    new Option('--address <host:port>', 'server').env('HOLDFAST_ADDRESS').default(DEFAULT_ADDRESS),
    new Option('--token <secret>', 'token that the server asks for').env('HOLDFAST_TOKEN'),
    new Option('--tls', 'speak TLS; implied by the options below'),
    new Option('--tls-ca <file>', 'authority of the server, PEM').env('HOLDFAST_TLS_CA'),
    new Option('--tls-cert <file>', 'own certificate, PEM').env('HOLDFAST_TLS_CERT'),
    new Option('--tls-key <file>', 'key of the own certificate, PEM').env('HOLDFAST_TLS_KEY'),
    new Option('--timeout <duration>', 'how long to wait for an answer')
      .argParser((text) => parseDuration(text, '--timeout', { minMs: 1, maxMs: 86_400_000 }))
      .default(parseDuration(DEFAULT_TIMEOUT, '--timeout'), DEFAULT_TIMEOUT),
  ];
  for (const option of options) command.addOption(option.helpGroup(group));
  return command;
}

/** Calls `use` with a client, and closes that afterwards. */
export async function withClient<T>(
  options: ClientOptions,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const { address } = options;
  parseAddress(address, '--address');
  const client = createClient({
    address,
    token: options.token,
    tls: await readClientTls(options),
    deadlineMs: options.timeout,
    retry: { attempts: TRIES, watchPatienceMs: WATCH_PATIENCE_MS },
  });
  try {
    return await use(client);
  } catch (error) {
    throw withAdvice(error, address);
  } finally {
    client.close();
  }
}

async function readClientTls(
  options: ClientOptions,
): Promise<{ ca?: Buffer; cert?: Buffer; key?: Buffer } | undefined> {
  const { tls, tlsCa, tlsCert, tlsKey } = options;
  if (!tls && tlsCa === undefined && tlsCert === undefined && tlsKey === undefined) {
    return undefined;
  }
  return {
    ...(tlsCa === undefined ? {} : { ca: await readPem(tlsCa, '--tls-ca') }),
    ...(tlsCert === undefined ? {} : { cert: await readPem(tlsCert, '--tls-cert') }),
    ...(tlsKey === undefined ? {} : { key: await readPem(tlsKey, '--tls-key') }),
  };
}

/** Where nobody answers at all, the likeliest reason is that nothing was started. */
function withAdvice(thrown: unknown, address: string): unknown {
  const { code, message } = fromUnknown(thrown);
  if (code !== 'UNAVAILABLE' || !message.startsWith('no server can be reached')) return thrown;
  const reason = /connect [A-Z]+|getaddrinfo [A-Z_]+/.exec(message)?.[0];
  return new UnavailableError(
    `no server answers at ${address}${reason === undefined ? '' : ` (${reason})`}; ` +
      'start one with "holdfast dev", or name another with --address',
    { cause: thrown },
  );
}
