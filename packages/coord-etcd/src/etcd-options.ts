import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import { checkHostPorts, checkWhole } from '@holdfast/coord';
import type { Clock, Logger, Random } from '@holdfast/core';
import { InvalidArgumentError } from '@holdfast/core';
import type { CompactionOptions } from './compactor.ts';
import type { TlsMaterial } from './etcd-endpoint.ts';

/** Files in PEM form. */
export interface EtcdTlsOptions {
  /** Path of the authorities that may have signed the server's certificate; default: those Node comes with. */
  readonly ca?: string | undefined;
  /** Paths of the client's certificate and key; both or none. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface EtcdCoordOptions {
  /** HOST:PORT of each member of the cluster, at least one; IPv6 addresses in brackets. */
  readonly endpoints: readonly string[];
  /** What all keys in etcd start with; default `/holdfast`. Two boards on one etcd need two prefixes. */
  readonly prefix?: string | undefined;
  readonly auth?: { readonly user: string; readonly password: string } | undefined;
  /** Speaks TLS when present, even when empty. */
  readonly tls?: EtcdTlsOptions | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Default: none. */
  readonly logger?: Logger | undefined;
  /** How long one attempt to connect may take, in milliseconds, 100 to 60,000; default 3,000. */
  readonly dialTimeoutMs?: number | undefined;
  /** Default: every 10,000 revisions, keeping 100. */
  readonly compaction?: 'off' | CompactionOptions | undefined;
  /** How often every watch is woken without a reason, in milliseconds, give or take a fifth; default 5,000. */
  readonly resyncMs?: number | undefined;
}

const MAX_REVISIONS = 10_000_000;

/** Throws {@link InvalidArgumentError} for the first option that is out of bounds. */
export function checkEtcdOptions(options: EtcdCoordOptions): void {
  checkHostPorts('endpoints', options.endpoints);
  if (options.auth?.user === '') {
    throw new InvalidArgumentError('auth.user', { value: '', allowed: 'the name of a user' });
  }
  const { tls, compaction } = options;
  if ((tls?.cert === undefined) !== (tls?.key === undefined)) {
    throw new InvalidArgumentError(tls?.cert === undefined ? 'tls.cert' : 'tls.key', {
      value: undefined,
      allowed: 'both cert and key, or none of them',
    });
  }
  checkWhole('dialTimeoutMs', options.dialTimeoutMs, [100, 60_000]);
  checkWhole('resyncMs', options.resyncMs, [10, 600_000]);
  if (compaction === undefined || compaction === 'off') return;
  checkWhole('compaction.everyRevisions', compaction.everyRevisions, [1000, MAX_REVISIONS]);
  checkWhole('compaction.keepRevisions', compaction.keepRevisions, [0, MAX_REVISIONS]);
}

/** Reads the files. Throws {@link InvalidArgumentError} naming the one that can't be read. */
export async function readTlsMaterial(tls: EtcdTlsOptions): Promise<TlsMaterial> {
  return {
    ca: (await readPem('tls.ca', tls.ca)) ?? Buffer.from(rootCertificates.join('\n')),
    cert: await readPem('tls.cert', tls.cert),
    key: await readPem('tls.key', tls.key),
  };
}

async function readPem(field: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new InvalidArgumentError(field, {
      value: path,
      allowed: `a PEM file that can be read (${problem})`,
    });
  }
  if (content.includes('-----BEGIN ')) return content;
  throw new InvalidArgumentError(field, { value: path, allowed: 'a file in PEM form' });
}
