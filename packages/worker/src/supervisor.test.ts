import { spawn } from 'node:child_process';
import { on } from 'node:events';
import { createInterface } from 'node:readline';
import { Board, type Member } from '@holdfast/board';
import { type Coord, createMemoryStore, openMemoryCoord } from '@holdfast/coord';
import {
  createSeededRandom,
  InvalidArgumentError,
  type LogFields,
  type Logger,
  systemClock,
  type WorkerId,
} from '@holdfast/core';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Supervisor, type SupervisorOptions } from './supervisor.ts';
import { FaultyCoord, type LogLine, recordingLogger } from './test-fleet.fixture.ts';

// Real processes, on a machine that may be busy.
vi.setConfig({ testTimeout: 30_000 });

const script = (name: string): string => new URL(`./${name}`, import.meta.url).pathname;

/** Lines of a log, and a way to wait for the next one with a message. */
class Lines {
  readonly all: LogLine[] = [];
  readonly logger: Logger;
  readonly #waiting = new Set<() => void>();

  constructor() {
    const { all } = this;
    this.logger = recordingLogger(all);
    const push = all.push.bind(all);
    all.push = (...lines) => {
      const length = push(...lines);
      for (const look of this.#waiting) look();
      return length;
    };
  }

  with(message: string): readonly LogLine[] {
    return this.all.filter((line) => line.message.includes(message));
  }

  /** The `count`th line whose message contains this text. */
  async next(message: string, count = 1): Promise<LogLine> {
    const { promise, resolve } = Promise.withResolvers<LogLine>();
    const look = (): void => {
      const line = this.with(message)[count - 1];
      if (line) resolve(line);
    };
    this.#waiting.add(look);
    look();
    const line = await promise;
    this.#waiting.delete(look);
    return line;
  }
}

interface Setup {
  readonly supervisor: Supervisor;
  readonly lines: Lines;
  readonly board: Board;
  readonly coord: FaultyCoord;
}

const opened: Setup[] = [];
afterEach(async () => {
  for (const { supervisor, coord } of opened.splice(0)) {
    await supervisor.stop({ immediately: true });
    await coord.stop();
  }
});

async function setup(mode: string, options: Partial<SupervisorOptions> = {}): Promise<Setup> {
  const source = { clock: systemClock, random: createSeededRandom(1) };
  const inner: Coord = openMemoryCoord(createMemoryStore(source), source);
  const coord = new FaultyCoord(inner, systemClock);
  await coord.start();
  const board = new Board({ coord });
  const lines = new Lines();
  const supervisor = new Supervisor({
    board,
    command: { file: process.execPath, args: [script('child.fixture.ts'), mode] },
    name: 'w',
    logger: lines.logger,
    ...options,
  });
  const made = { supervisor, lines, board, coord };
  opened.push(made);
  return made;
}

/** Joins as the child would, had it a store. */
async function joinFor({ board, coord }: Setup, line: LogFields): Promise<Member> {
  const id = line['worker'] as WorkerId; // written by the supervisor
  const session = await coord.openSession({ ttlMs: 60_000 });
  return await board.join(
    {
      id,
      host: 'test',
      pid: 1,
      queues: ['default'],
      flows: ['flow'],
      concurrency: 1,
      startedAtUnixMs: 0,
      leaseTtlMs: 60_000,
      version: '0',
      isDraining: false,
      labels: {},
      served: [],
    },
    session,
  );
}

async function liveWorkers(board: Board): Promise<readonly string[]> {
  const { items } = await board.listWorkers({ pageSize: 100 });
  return items.filter((worker) => worker.isLive).map((worker) => worker.info.id);
}

describe('a supervisor', () => {
  test('expels a worker that was killed at once, and starts a fresh one under a new id', async () => {
    const made = await setup('serve');
    await made.supervisor.start();
    const first = await made.lines.next('worker process joins');
    await joinFor(made, first);
    expect(await liveWorkers(made.board)).toEqual([first['worker']]);
    process.kill(made.supervisor.childPid ?? 0, 'SIGKILL');
    await made.lines.next('free to be taken over');
    expect(await liveWorkers(made.board)).toEqual([]);
    const death = await made.lines.next('was killed by SIGKILL');
    expect(death.message).toMatch(
      /^the worker process was killed by SIGKILL after \d+\.\d s; its jobs are handed over at once and a fresh one starts in 0\.1 s$/,
    );
    const second = await made.lines.next('worker process joins', 2);
    expect(second['worker']).not.toBe(first['worker']);
  });

  test('lets its child leave in order, and expels nobody, when it is stopped', async () => {
    const made = await setup('serve');
    await made.supervisor.start();
    await made.lines.next('worker process joins');
    await made.supervisor.stop();
    expect(await made.supervisor.finished).toEqual({ status: 0 });
    expect(made.lines.with('worker process has left')).toHaveLength(1);
    expect(made.lines.with('free to be taken over')).toEqual([]);
  });

  test('ends when its child was drained by an operator', async () => {
    const made = await setup('serve');
    await made.supervisor.start();
    await made.lines.next('worker process joins');
    process.kill(made.supervisor.childPid ?? 0, 'SIGTERM'); // What the child does when it has drained.
    expect(await made.supervisor.finished).toEqual({ status: 0 });
  });

  test('kills a child that does not stop, and hands its jobs over, when told a second time', async () => {
    const made = await setup('stubborn');
    await made.supervisor.start();
    await joinFor(made, await made.lines.next('worker process joins'));
    const stopping = made.supervisor.stop();
    await made.supervisor.stop({ immediately: true });
    await stopping;
    expect(await made.supervisor.finished).toEqual({ status: 1 });
    expect(await liveWorkers(made.board)).toEqual([]);
  });

  test('starts children that die young ever more slowly', async () => {
    const random = { ...createSeededRandom(1), next: () => 0.5 }; // Without jitter.
    const made = await setup('crash', { random });
    await made.supervisor.start();
    await made.lines.next('ended with status 3', 3);
    const delays = made.lines
      .with('ended with status 3')
      .map((line) => Number(/in (\d+\.\d) s/.exec(line.message)?.[1]));
    expect(delays.slice(0, 3)).toEqual([0.1, 0.2, 0.4]);
  });

  test('does not start again what refuses its arguments, and passes its status on', async () => {
    const made = await setup('refuse');
    await made.supervisor.start();
    expect(await made.supervisor.finished).toEqual({ status: 2 });
  });

  test('goes on telling the store of a death while the store is away', async () => {
    const made = await setup('serve');
    await made.supervisor.start();
    await joinFor(made, await made.lines.next('worker process joins'));
    made.coord.isAway = true;
    process.kill(made.supervisor.childPid ?? 0, 'SIGKILL');
    await made.lines.next('the store has not heard of the death yet');
    made.coord.isAway = false;
    await made.lines.next('free to be taken over');
    expect(await liveWorkers(made.board)).toEqual([]);
  });

  test('says so when its program cannot be started', async () => {
    const { supervisor } = await setup('serve', {
      command: { file: '/does/not/exist', args: [] },
    });
    await expect(supervisor.start()).rejects.toThrow('ENOENT');
  });

  test('refuses a name that no worker can have', async () => {
    await expect(setup('serve', { name: 'Not a name' })).rejects.toThrow(InvalidArgumentError);
  });
});

test('a worker whose supervisor is killed leaves in order', async () => {
  const process_ = spawn(process.execPath, [script('supervisor.fixture.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: process_.stdout });
  const seen: string[] = [];
  for await (const [line] of on(lines, 'line', { close: ['close'] }) as AsyncIterable<[string]>) {
    seen.push(line);
    if (line.startsWith('worker process joins')) process_.kill('SIGKILL');
  }
  // The pipe ends when both processes are gone.
  expect(seen.at(-1)).toBe('left in order');
});
