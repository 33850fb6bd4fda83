// The file of the SQLite driver: what is opened, what is refused, and what other programs can do to it.
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Coord } from '@holdfast/coord';
import { openSqliteCoord } from '@holdfast/coord-sqlite';
import {
  FailedPreconditionError,
  fromUnknown,
  type HoldfastError,
  InvalidArgumentError,
  sleep,
  systemClock,
  UnavailableError,
} from '@holdfast/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const value = new TextEncoder().encode('x');

let directory = '';
const opened: Coord[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-sqlite-'));
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((coord) => coord.stop()));
  await rm(directory, { recursive: true });
});

async function open(path: string, busyLimitMs?: number): Promise<Coord> {
  const coord = openSqliteCoord({ path, busyLimitMs });
  opened.push(coord);
  await coord.start();
  return coord;
}

async function refusalOf(path: string): Promise<HoldfastError> {
  try {
    await open(path);
  } catch (error) {
    return fromUnknown(error);
  }
  throw new Error('the file was opened, though it had to be refused');
}

/** Runs SQL on the file as another program would. */
function alter(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

describe('opening', () => {
  it('makes the file and the directories above it, and finds everything when opened again', async () => {
    const path = join(directory, 'a', 'b', 'store.db');
    const first = await open(path);
    const result = await first.commit({ when: [], write: [{ kind: 'put', key: 'k', value }] });
    await first.stop();
    const entry = (await (await open(path)).get(['k'])).get('k');
    expect(entry?.version).toBe(result.committed && result.versionOf('k'));
    expect(first.description).toBe(`sqlite:${path}`);
  });

  it('by many handles at the same time makes the tables once', async () => {
    const path = join(directory, 'store.db');
    const handles = await Promise.all(Array.from({ length: 8 }, () => open(path)));
    await Promise.all(
      handles.map((coord, n) =>
        coord.commit({ when: [], write: [{ kind: 'put', key: `k${n}`, value }] }),
      ),
    );
    expect((await handles[0]?.list({ prefix: 'k', limit: 10 }))?.entries).toHaveLength(8);
  });

  it('refuses a file that is no database, and leaves it as it is', async () => {
    const path = join(directory, 'notes.txt');
    const text = 'These are my notes. '.repeat(100);
    await writeFile(path, text);
    const error = await refusalOf(path);
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.message).toContain(path);
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  it('refuses the database of another program, and leaves it as it is', async () => {
    const path = join(directory, 'other.db');
    alter(path, 'CREATE TABLE song (title TEXT)');
    const before = await readFile(path);
    expect(await refusalOf(path)).toBeInstanceOf(InvalidArgumentError);
    expect(Buffer.compare(await readFile(path), before)).toBe(0);
  });

  it('refuses a file that a newer Holdfast made', async () => {
    const path = join(directory, 'store.db');
    await (await open(path)).stop();
    alter(path, 'PRAGMA user_version = 2');
    const error = await refusalOf(path);
    expect(error).toBeInstanceOf(FailedPreconditionError);
    expect(error.message).toMatch(/schema version 2, made by a newer Holdfast/);
  });

  it('says in one line why a path cannot be used', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    await mkdir(join(directory, 'directory'));
    for (const path of [join(file, 'store.db'), join(directory, 'directory')]) {
      const error = await refusalOf(path);
      expect(error).toBeInstanceOf(UnavailableError);
      expect(error.message).toContain(path);
      expect(error.message).not.toContain('\n');
    }
    for (const path of ['', ':memory:']) {
      expect(() => openSqliteCoord({ path })).toThrow(InvalidArgumentError);
    }
  });

  // The superuser may write everywhere, so that there is nothing to refuse.
  it.skipIf(process.getuid?.() === 0)('refuses a file that is read-only', async () => {
    const path = join(directory, 'store.db');
    await (await open(path)).stop();
    await chmod(path, 0o444);
    expect(await refusalOf(path)).toBeInstanceOf(UnavailableError);
  });

  it('can be tried again after it failed', async () => {
    const parent = join(directory, 'parent');
    await writeFile(parent, '');
    const coord = openSqliteCoord({ path: join(parent, 'store.db') });
    opened.push(coord);
    await expect(coord.start()).rejects.toBeInstanceOf(UnavailableError);
    await rm(parent);
    await coord.start();
    expect((await coord.get(['k'])).size).toBe(0);
  });
});

describe('a file that others use', () => {
  it('is waited for while another program holds its lock, but not for ever', async () => {
    const path = join(directory, 'store.db');
    const coord = await open(path, 200);
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    const commit = { when: [], write: [{ kind: 'put', key: 'k', value }] } as const;
    await expect(coord.commit(commit)).rejects.toThrow(/held its lock for 200 ms/);
    // Reading goes on meanwhile.
    expect((await coord.get(['k'])).size).toBe(0);
    const waiting = coord.commit(commit);
    await coord.get(['k']);
    other.exec('ROLLBACK');
    expect((await waiting).committed).toBe(true);
    other.close();
  });

  it('gets its log cut back once nobody holds on to it', async () => {
    const path = join(directory, 'store.db');
    const coord = await open(path);
    // A different value each time: SQLite does not write again what is there already.
    const putLarge = (n: number): Promise<unknown> => {
      const large = new Uint8Array(1_000_000).fill(n);
      return coord.commit({ when: [], write: [{ kind: 'put', key: 'k', value: large }] });
    };
    await putLarge(0);
    const reader = new DatabaseSync(path);
    reader.exec('BEGIN; SELECT count(*) FROM entry');
    for (let n = 1; n <= 70; n += 1) await putLarge(n);
    const logBytes = async (): Promise<number> => (await stat(`${path}-wal`)).size;
    expect(await logBytes()).toBeGreaterThan(67_108_864);
    reader.close();
    while ((await logBytes()) > 0) await sleep(systemClock, 20);
    expect((await coord.get(['k'])).get('k')?.value[0]).toBe(70);
  });

  it('has no session left of another boot of the machine', async () => {
    const path = join(directory, 'store.db');
    const before = await open(path);
    const session = await before.openSession({ ttlMs: 3_600_000 });
    await before.commit({ when: [], write: [{ kind: 'put', key: 's', value, session }] });
    await before.stop();
    alter(path, `UPDATE session SET boot = 'the one before'`);
    const after = await open(path);
    // Every write transaction sweeps first, so that the guard already finds it gone.
    const takeOver = { when: [{ kind: 'absent', key: 's' }], write: [] } as const;
    expect((await after.commit(takeOver)).committed).toBe(true);
  });
});
