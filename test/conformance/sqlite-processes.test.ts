// Several processes on one SQLite file, some of which are killed or stopped at any moment.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import type { Coord } from '@holdfast/coord';
import { openSqliteCoord } from '@holdfast/coord-sqlite';
import { createSeededRandom, sleep, systemClock } from '@holdfast/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** The TTL of the writers' sessions and what the seam allows on top of it, in milliseconds. */
const GONE_WITHIN_MS = 1000 + 1000;

let directory = '';
let coord: Coord;
const writers: Writer[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-processes-'));
  coord = openSqliteCoord({ path: join(directory, 'store.db') });
  await coord.start();
});
afterEach(async () => {
  await Promise.all(writers.splice(0).map((writer) => writer.kill()));
  await coord.stop();
  await rm(directory, { recursive: true });
});

class Writer {
  readonly name: string;
  /** The number of the last commit that this process was told has happened. */
  acknowledged = -1;
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;

  constructor(name: string) {
    this.name = name;
    const script = join(import.meta.dirname, 'sqlite-writer.ts');
    this.#child = spawn(process.execPath, [script, join(directory, 'store.db'), name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#exit = once(this.#child, 'exit');
    if (this.#child.stdout) {
      createInterface(this.#child.stdout).on('line', (line) => this.#read(line));
    }
    writers.push(this);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.#exit;
  }

  #read(line: string): void {
    if (line.startsWith('ack ')) this.acknowledged = Number(line.slice(4));
    else this.lines.push(line);
  }
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = systemClock.monotonicMs() + 30_000;
  while (!(await isTrue())) {
    if (systemClock.monotonicMs() > untilMs) throw new Error(`waited 30 s for: ${what}`);
    await sleep(systemClock, 10);
  }
}

async function isThere(key: string): Promise<boolean> {
  return (await coord.get([key])).size === 1;
}

function isAlive(writer: Writer): Promise<boolean> {
  return isThere(`alive/${writer.name}`);
}

describe('several processes on one file', () => {
  it('all make progress while they write as fast as they can', async () => {
    const four = ['a', 'b', 'c', 'd'].map((name) => new Writer(name));
    await until('each has committed 100 times', () =>
      four.every((writer) => writer.acknowledged >= 100),
    );
    expect(await Promise.all(four.map(isAlive))).toEqual([true, true, true, true]);
  });

  it('lose nothing acknowledged and leave no half commit when they are killed amid their commits', async () => {
    const random = createSeededRandom(1);
    for (let round = 0; round < 8; round += 1) {
      const victim = new Writer(`victim${round}`);
      await until('the victim is at work', () => victim.acknowledged >= 0);
      await sleep(systemClock, 40 * random.next());
      await victim.kill();
      await checkWhole(victim);
    }
    expect(integrityOf(join(directory, 'store.db'))).toBe('ok');
  });

  it('go on when one of them is killed, at whatever moment', async () => {
    const survivor = new Writer('survivor');
    for (let round = 0; round < 3; round += 1) {
      const victim = new Writer(`victim${round}`);
      await until('the victim is at work', () => victim.acknowledged >= 5);
      await victim.kill();
      const before = survivor.acknowledged;
      await until('the survivor goes on', () => survivor.acknowledged > before + 5);
      await checkWhole(victim);
    }
    expect(await isAlive(survivor)).toBe(true);
    await survivor.kill();
    await checkWhole(survivor);
  });

  it('see the session of a killed process end within its TTL and a second', async () => {
    const victim = new Writer('victim');
    await until('the victim is at work', () => victim.acknowledged >= 0);
    expect(await isAlive(victim)).toBe(true);
    await victim.kill();
    const killedAtMs = systemClock.monotonicMs();
    await until('its key vanishes', async () => !(await isAlive(victim)));
    expect(systemClock.monotonicMs() - killedAtMs).toBeLessThan(GONE_WITHIN_MS);
  });

  it('give away the lease of a stopped one, which does not trust it when it wakes', async () => {
    const stopped = new Writer('stopped');
    await until('it is at work', () => stopped.acknowledged >= 0);
    await stopWithoutTheLock(stopped);
    await until('its key vanishes', async () => !(await isAlive(stopped)));
    stopped.signal('SIGCONT');
    await until('it says what it thinks', () => stopped.lines.includes('woken false'));
    expect(stopped.lines.at(-1)).toBe('woken false');
  });
});

/** All parts of the last commit of a dead process are there, and it is not older than was told. */
async function checkWhole({ name, acknowledged }: Writer): Promise<void> {
  const parts = await coord.list({ prefix: `part/${name}/`, limit: 100 });
  const numbers = new Set(parts.entries.map((entry) => new TextDecoder().decode(entry.value)));
  expect([parts.entries.length, numbers.size]).toEqual([40, 1]);
  const last = Number([...numbers][0]);
  expect(last).toBeGreaterThanOrEqual(acknowledged);
  expect(await isThere(`log/${name}/${last}`)).toBe(true);
  expect(await isThere(`log/${name}/${last + 1}`)).toBe(false);
  const log = await coord.list({ prefix: `log/${name}/`, limit: 1000 });
  expect(log.entries.length).toBe(Math.min(1000, last + 1));
}

/** Stops the process; when that happens amid a transaction, lets it go on and stops it again. */
async function stopWithoutTheLock(writer: Writer): Promise<void> {
  await until('it is stopped outside a transaction', async () => {
    writer.signal('SIGSTOP');
    const db = new DatabaseSync(join(directory, 'store.db'), { timeout: 50 });
    try {
      db.exec('BEGIN IMMEDIATE; ROLLBACK');
      return true;
    } catch {
      // It holds the lock, and would hold it as long as it is stopped.
      writer.signal('SIGCONT');
      return false;
    } finally {
      db.close();
    }
  });
}

function integrityOf(path: string): unknown {
  const db = new DatabaseSync(path);
  try {
    return db.prepare('PRAGMA integrity_check').get()?.['integrity_check'];
  } finally {
    db.close();
  }
}
