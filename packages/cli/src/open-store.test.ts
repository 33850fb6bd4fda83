import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock, systemRandom } from '@holdfast/core';
import { expect, onTestFinished, test } from 'vitest';
import { openStore } from './open-store.ts';

const parts = { clock: systemClock, random: systemRandom, logger: silentLogger };

test('a file that is no database is refused by the URL that named it, and left as it is', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-open-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'notes.txt');
  await writeFile(path, 'These are my notes. '.repeat(100));
  await expect(openStore(`sqlite:${path}`, parts)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(
      new RegExp(`^the path of store URL "sqlite:${path}": .*no database`),
    ),
  });
  expect(await readFile(path, 'utf8')).toMatch(/^These are my notes/);
});

test('what a driver refuses is told with its URL, without the password', async () => {
  const url = 'etcd://me:secret@127.0.0.1:1/board?ca=/there/is/no/such.pem';
  await expect(openStore(url, parts)).rejects.toThrow(
    'the tls.ca of store URL "etcd://me:***@127.0.0.1:1/board?ca=/there/is/no/such.pem": ' +
      '"/there/is/no/such.pem" is not allowed',
  );
});
