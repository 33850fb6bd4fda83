import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError, systemClock, systemRandom } from '@holdfast/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEtcdCoord } from './etcd-coord.ts';
import { type EtcdCoordOptions, readTlsMaterial } from './etcd-options.ts';

const good: EtcdCoordOptions = {
  endpoints: ['127.0.0.1:2379'],
  clock: systemClock,
  random: systemRandom,
};

describe('options', () => {
  it.each<[string, Partial<EtcdCoordOptions>]>([
    ['endpoints', { endpoints: [] }],
    ['endpoints[1]', { endpoints: ['a:1', 'http://b:2'] }],
    ['prefix', { prefix: 'holdfast' }],
    ['auth.user', { auth: { user: '', password: 'x' } }],
    ['tls.key', { tls: { cert: 'c.pem' } }],
    ['tls.cert', { tls: { key: 'k.pem' } }],
    ['dialTimeoutMs', { dialTimeoutMs: 99 }],
    ['resyncMs', { resyncMs: 1.5 }],
    ['compaction.everyRevisions', { compaction: { everyRevisions: 0, keepRevisions: 0 } }],
    ['compaction.keepRevisions', { compaction: { everyRevisions: 1000, keepRevisions: -1 } }],
  ])('out of bounds are refused by name: %s', (field, options) => {
    const open = (): unknown => openEtcdCoord({ ...good, ...options });
    expect(open).toThrow(InvalidArgumentError);
    expect(open).toThrow(new RegExp(`^${field.replaceAll(/[.[\]]/g, '\\$&')}: `));
  });

  it('show in the description where the store is, without secrets', () => {
    const auth = { user: 'worker', password: 's3cret' };
    const coord = openEtcdCoord({ ...good, endpoints: ['a:1', 'b:2'], prefix: '/x', auth });
    expect(coord.description).toBe('etcd://a:1,b:2/x');
  });
});

describe('TLS files', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-tls-'));
    await writeFile(join(folder, 'good.pem'), '-----BEGIN CERTIFICATE-----\n');
    await writeFile(join(folder, 'bad.pem'), 'not a certificate');
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('are read; without an authority those of Node are taken', async () => {
    const path = join(folder, 'good.pem');
    const material = await readTlsMaterial({ ca: path });
    expect(material).toEqual({ ca: Buffer.from('-----BEGIN CERTIFICATE-----\n') });
    expect((await readTlsMaterial({})).ca.toString()).toMatch(/^-----BEGIN CERTIFICATE-----/);
  });

  it.each(['missing.pem', 'bad.pem'])('are refused by name: %s', async (name) => {
    const reading = readTlsMaterial({ ca: join(folder, name) });
    await expect(reading).rejects.toThrow(InvalidArgumentError);
    await expect(reading).rejects.toThrow(new RegExp(`^tls.ca: .*${name}.*PEM`));
  });
});
