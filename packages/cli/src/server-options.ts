import { readFile } from 'node:fs/promises';
import { InvalidArgumentError } from '@holdfast/core';
import type { ListenAddress, ServerTls } from '@holdfast/server';
import { type Command, Option } from 'commander';
import { parseAddress } from './option-values.ts';

/** Where a server listens unless it is told otherwise. */
export const DEFAULT_ADDRESS = '127.0.0.1:4600';

/** How a server listens, as options name it. */
export interface ServerOptions {
  readonly listen: ListenAddress;
  readonly token?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly tlsClientCa?: string | undefined;
}

/** Adds `--listen`, `--token` and the options for TLS. */
export function addServerOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--listen <host:port>', 'address to listen on; port 0 takes any free one')
        .env('HOLDFAST_LISTEN')
        .argParser((text) => parseAddress(text, '--listen'))
        .default(parseAddress(DEFAULT_ADDRESS, '--listen'), DEFAULT_ADDRESS),
    )
    .addOption(
      new Option('--token <secret>', 'calls have to carry it as bearer token').env(
        'HOLDFAST_TOKEN',
      ),
    )
    .addOption(new Option('--tls-cert <file>', 'certificate, PEM').env('HOLDFAST_TLS_CERT'))
    .addOption(
      new Option('--tls-key <file>', 'key of the certificate, PEM').env('HOLDFAST_TLS_KEY'),
    )
    .addOption(
      new Option(
        '--tls-client-ca <file>',
        'clients have to show a certificate of this authority, PEM',
      ).env('HOLDFAST_TLS_CLIENT_CA'),
    );
}

/** Reads the files that the options name. Throws an InvalidArgumentError naming the option. */
export async function readServerTls(options: ServerOptions): Promise<ServerTls | undefined> {
  const { tlsCert, tlsKey, tlsClientCa } = options;
  if (tlsCert === undefined && tlsKey === undefined && tlsClientCa === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    const missing = tlsCert === undefined ? '--tls-cert' : '--tls-key';
    const description = 'is missing; a server that speaks TLS needs --tls-cert and --tls-key';
    throw new InvalidArgumentError([{ field: missing, description }]);
  }
  return {
    cert: await readPem(tlsCert, '--tls-cert'),
    key: await readPem(tlsKey, '--tls-key'),
    clientCa: tlsClientCa === undefined ? undefined : await readPem(tlsClientCa, '--tls-client-ca'),
  };
}

/** Reads a file in PEM form. Throws an InvalidArgumentError naming the option. */
export async function readPem(path: string, field: string): Promise<Buffer> {
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    const refused = new InvalidArgumentError([
      { field, description: `${path} can't be read: ${problem}` },
    ]);
    // InvalidArgumentError takes no cause; HOLDFAST_LOG_LEVEL=debug prints it.
    refused.cause = error;
    throw refused;
  }
  if (content.includes('-----BEGIN ')) return content;
  throw new InvalidArgumentError(field, { value: path, allowed: 'a file in PEM form' });
}
