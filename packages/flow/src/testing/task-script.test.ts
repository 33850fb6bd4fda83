// Scripts of what is more than a plain task: the tasks of a map, and the steps of a durable function.
import { TerminalError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from '../flow.ts';
import { map } from '../map.ts';
import { linear } from '../pattern.ts';
import { task } from '../task.ts';
import { workflow } from '../workflow.ts';
import { testFlow } from './index.ts';

describe('the tasks of a map', () => {
  const files = task({
    name: 'files',
    provides: { files: z.array(z.string()) },
    execute: () => ({ files: ['a', 'b'] }),
  });
  const scan = task({
    name: 'scan',
    requires: { file: z.string() },
    provides: { size: z.number() },
    execute: ({ file }) => ({ size: file.length }),
  });
  const scanning = flow({
    name: 'scanning',
    body: linear(
      'main',
      files,
      map('each', { over: 'files', as: 'file', body: scan, collect: { size: 'sizes' } }),
    ),
  });

  test('are scripted by their name, for every item, and told of by item', async () => {
    const trial = await testFlow(scanning, { fail: { scan: 1 }, delay: { scan: 10 } });
    expect(trial.output).toMatchObject({ sizes: [1, 1] });
    expect(trial.task('scan').executions).toBe(4);
    expect(trial.task('scan[1]')).toMatchObject({ state: 'success', result: { size: 1 } });
    expect(trial.task('scan[1]').executions).toBe(2);
  });

  test('are scripted for one item by its place, which goes before the task', async () => {
    const trial = await testFlow(scanning, {
      fail: { 'scan[1]': 2, scan: 1 },
      stub: { 'scan[0]': { execute: { size: 7 } } },
    });
    expect(trial.output).toMatchObject({ sizes: [7, 1] });
    expect(trial.task('scan[0]').executions).toBe(2);
    expect(trial.task('scan[1]').executions).toBe(3);
    expect(trial.task('scan[1]').calls[0]?.idempotencyKey).toBe('test-job/scan[1]/1');
    await expect(testFlow(scanning, { fail: { 'files[0]': 1 } })).rejects.toThrow('"files[0]"');
  });
});

describe('the steps of a durable function', () => {
  const undone: string[] = [];
  const buying = workflow('buying', async (ctx) => {
    const seat = await ctx.step('reserve', () => 'seat-1', {
      revert: ({ result }) => void undone.push(String(result)),
    });
    const receipt = await ctx.step('pay', () => `paid ${seat}`, { timeoutMs: 1000 });
    return { receipt };
  });

  test('are scripted by their names, and their calls are counted', async () => {
    const trial = await testFlow(buying, { fail: { pay: 2 }, delay: { reserve: 500 } });
    expect(trial.output).toEqual({ receipt: 'paid seat-1' });
    expect(trial.task('pay').executions).toBe(3);
    expect(trial.task('pay').calls[2]?.idempotencyKey).toBe('test-job/pay/3');
    const stub = { reserve: { execute: () => 'seat-9' } };
    expect((await testFlow(buying, { stub })).output).toEqual({ receipt: 'paid seat-9' });
  });

  test('fail, are reverted and run into timeouts as the test wants', async () => {
    const trial = await testFlow(buying, {
      fail: { pay: new TerminalError('no funds') },
      failRevert: { reserve: 1 },
    });
    expect(trial.failure).toMatchObject({ task: 'pay', message: 'no funds' });
    expect(trial.task('reserve')).toMatchObject({ state: 'reverted', reverts: 2 });
    expect(undone).toEqual(['seat-1']);
    const late = await testFlow(buying, { delay: { pay: 1001 } });
    expect(late.failure?.message).toContain('longer than its timeout');
  });
});
