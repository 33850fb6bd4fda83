import {
  type AtomRecord,
  createSeededRandom,
  encodeJson,
  type JobId,
  pendingAtom,
  type RemoteTask,
  silentLogger,
  VirtualClock,
} from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { map } from './map.ts';
import { linear } from './pattern.ts';
import { isRemoteEnd } from './remote-end.ts';
import { remoteLabelsOf } from './remote-plan.ts';
import type { RunResult } from './run-options.ts';
import { type RemoteTaskOptions, runRemoteTask } from './run-remote-task.ts';
import { sleep } from './sleep.ts';
import { task } from './task.ts';
import { driveVirtually } from './testing/virtual-drive.ts';
import { workflow } from './workflow.ts';

const scan = task({
  name: 'scan',
  runs: { labels: { os: 'linux', disk: 'ssd' } },
  requires: { file: z.string() },
  provides: { found: z.string() },
  execute: ({ file }, ctx) => ({ found: `${file} ${ctx.task} ${ctx.idempotencyKey}` }),
  revert: ({ file }) => {
    if (file === 'stuck') throw new Error('it is stuck');
  },
});
const scanning = flow({
  name: 'scanning',
  input: z.object({ files: z.array(z.string()) }),
  runs: 'anywhere',
  body: linear(
    'main',
    map('each', {
      over: 'files',
      as: 'file',
      body: linear('item', scan, task({ name: 'note', execute: () => undefined })),
    }),
    sleep('rest', { ms: 10 }),
    task({ name: 'report', runs: 'here', execute: () => undefined }),
  ),
  version: 3,
});

function remoteTask(change: Partial<RemoteTask> & { readonly atom?: AtomRecord } = {}): RemoteTask {
  const name = change.task ?? 'scan[4]';
  return {
    parentId: 'job-1' as JobId,
    task: name,
    intention: 'execute',
    flowVersion: 3,
    labels: {},
    fenceBase: 0n,
    atom: { ...pendingAtom(name), state: 'running', tries: 2, executions: 5, generation: 7 },
    ...change,
  };
}

async function run(
  change: Partial<RemoteTaskOptions> = {},
): Promise<{ readonly result: RunResult; readonly written: readonly AtomRecord[] }> {
  const clock = new VirtualClock();
  const written: AtomRecord[] = [];
  const result = await driveVirtually(
    runRemoteTask({
      flow: scanning,
      remoteTask: remoteTask(),
      input: encodeJson({ file: 'a' }),
      identity: { jobId: 'task-job', attempt: 1, worker: 'w', fence: 1n },
      atoms: [],
      checkpoint: (atoms) => {
        written.push(...atoms);
        return Promise.resolve();
      },
      signal: new AbortController().signal,
      clock,
      random: createSeededRandom(1),
      logger: silentLogger,
      ...change,
    }),
    clock,
  );
  return { result, written: [...written, ...result.uncommitted] };
}

describe('a task job', () => {
  test('runs the task of an item as what it is in its own flow', async () => {
    const { result, written } = await run();
    expect(result.kind).toBe('succeeded');
    expect(written.at(-1)).toMatchObject({
      name: 'scan[4]',
      state: 'success',
      tries: 2,
      executions: 5,
      flowVersion: 3,
      result: encodeJson({ found: 'a scan[4] job-1/scan[4]/2' }),
    });
    expect(new Set(written.map(({ name }) => name))).toEqual(new Set(['scan[4]']));
  });

  test('goes on from the record of an earlier attempt of its own', async () => {
    const own: AtomRecord = { ...remoteTask().atom, state: 'pending', tries: 3, executions: 6 };
    const { written } = await run({ atoms: [own] });
    expect(written.at(-1)).toMatchObject({ state: 'success', tries: 4, executions: 7 });
  });

  test('that has come to its end calls nothing again', async () => {
    const { written: first } = await run();
    const own = first.at(-1);
    const { result, written } = await run({ atoms: own ? [own] : [] });
    expect(result.kind).toBe('succeeded');
    expect(written).toEqual([]);
    const reverted: AtomRecord = { ...remoteTask().atom, state: 'reverted', generation: 7 };
    const revert = await run({
      atoms: [reverted],
      remoteTask: remoteTask({ intention: 'revert', atom: { ...reverted, state: 'reverting' } }),
    });
    expect(revert.result.kind).toBe('succeeded');
    expect(revert.written).toEqual([]);
  });

  test('that executes never reverts, whatever fails', async () => {
    const { result, written } = await run({ input: encodeJson({}) });
    expect(result).toMatchObject({ kind: 'failed', failure: { task: 'scan[4]' } });
    expect(written.at(-1)?.failure?.message).toMatch(/arguments of task scan\[4\].*file/);
    expect(written.at(-1)?.revertTries).toBe(0);
    expect(written.every((atom) => atom.state !== 'pending')).toBe(true);
  });

  const toRevert = remoteTask({
    intention: 'revert',
    atom: { ...remoteTask().atom, state: 'reverting', revertTries: 2, forgivenRevertTries: 1 },
    flowFailure: { type: 'Error', message: 'elsewhere', task: 'report', stack: '', causes: [] },
  });

  test('that reverts succeeds when the task is reverted', async () => {
    const { result, written } = await run({ remoteTask: toRevert });
    expect(result).toMatchObject({ kind: 'succeeded' });
    expect(written.at(-1)).toMatchObject({ state: 'reverted', revertTries: 2 });
  });

  test('that reverts fails when the revert does', async () => {
    const { result, written } = await run({
      remoteTask: toRevert,
      input: encodeJson({ file: 'stuck' }),
    });
    expect(result).toMatchObject({ kind: 'failed', failure: { message: 'it is stuck' } });
    expect(written.at(-1)).toMatchObject({ state: 'revertFailure', revertTries: 4 });
  });

  test.each([
    ['a task that the flow has not', 'gone[1]', scanning],
    ['a map', 'each', scanning],
    ['a pause', 'rest', scanning],
    ['a step of a durable function', 'step', workflow('w', () => undefined)],
  ])('of %s fails, and says so', async (_, name, flowToRun) => {
    const { result, written } = await run({
      flow: flowToRun as typeof scanning,
      remoteTask: remoteTask({ task: name }),
    });
    const message = `flow ${flowToRun.name} has no task ${name.split('[')[0]} that could run as a job of its own`;
    expect(result).toMatchObject({ kind: 'failed', failure: { task: name, message } });
    expect(written).toMatchObject([{ name, state: 'failure', failure: { message } }]);
    const revert = await run({
      flow: flowToRun as typeof scanning,
      remoteTask: { ...toRevert, task: name },
    });
    expect(revert.written).toMatchObject([
      { name, state: 'revertFailure', revertFailure: { message } },
    ]);
  });

  test('without arguments that can be read fails', async () => {
    const { result, written } = await run({ input: encodeJson([1]) });
    expect(result).toMatchObject({ kind: 'failed', failure: { task: 'scan[4]' } });
    expect(written).toMatchObject([{ state: 'failure' }]);
  });
});

describe('the end of a task job', () => {
  test.each([
    ['execute', ['success', 'failure', 'reverting', 'reverted', 'revertFailure']],
    ['revert', ['reverted', 'revertFailure']],
  ] as const)('of one that is to %s', (intention, ends) => {
    const states = ['pending', 'running', 'ignore', 'retrying', ...ends] as const;
    expect(states.filter((state) => isRemoteEnd(intention, { state }))).toEqual([...ends]);
  });
});

describe('where tasks run', () => {
  test('is told of plain tasks only, those in maps too, each set of labels once', () => {
    expect(remoteLabelsOf(scanning)).toEqual([{ os: 'linux', disk: 'ssd' }, {}]);
    expect(
      remoteLabelsOf(flow({ name: 'f', body: task({ name: 't', execute: () => undefined }) })),
    ).toEqual([]);
    expect(remoteLabelsOf(workflow('w', () => undefined))).toEqual([]);
  });
});
