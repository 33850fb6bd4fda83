import { flow, linear, map, task, waitFor } from '@holdfast/flow';
import { toFlowRecord } from '@holdfast/worker';
import picocolors from 'picocolors';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { formatFlow } from './flow-text.ts';

const style = { colors: picocolors.createColors(false), width: 80, nowUnixMs: 0 };

const list = task({
  name: 'list',
  provides: { files: z.array(z.string()) },
  execute: () => ({ files: [] }),
});
const scan = task({ name: 'scan', requires: { file: z.string() }, execute() {} });
const scanning = flow({
  name: 'scanning',
  body: linear(
    'main',
    list,
    map('each', { over: 'files', as: 'file', body: linear('one', scan) }),
    waitFor('approval', { event: 'approve' }),
  ),
});

test('a flow for people has what its maps do for each item, and what it waits for', () => {
  const record = toFlowRecord(scanning, { by: 'w', atUnixMs: 0 });
  const text = formatFlow({ flow: record, workers: 1 }, style);
  const names = text.split('\n').map((line) => line.slice(0, 36).trimEnd());
  const from = names.indexOf('list');
  expect(names.slice(from, from + 4)).toEqual([
    'list',
    'each (map)',
    '    scan',
    'approval (waits for signal approve)',
  ]);
});

test('what a task takes and gives is never cut', () => {
  const many = Object.fromEntries(
    Array.from({ length: 20 }, (_, number) => [`value-${number}`, z.string()]),
  );
  const reading = task({ name: 'read', provides: many, execute: () => ({}) as never });
  const record = toFlowRecord(flow({ name: 'f', body: reading }), { by: 'w', atUnixMs: 0 });
  const text = formatFlow({ flow: record, workers: 1 }, style);
  for (const name of Object.keys(many)) expect(text).toMatch(new RegExp(`${name}\\b`));
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});
