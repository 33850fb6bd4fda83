import {
  createJobId,
  createSeededRandom,
  encodeJson,
  initialStatus,
  pendingAtom,
  VirtualClock,
} from '@holdfast/core';
import { flow, linear, task } from '@holdfast/flow';
import type { JobViewFields } from '@holdfast/wire';
import { toFlowRecord } from '@holdfast/worker';
import picocolors from 'picocolors';
import { expect, test } from 'vitest';
import { createJobProgress } from './job-progress.ts';

const source = { clock: new VirtualClock(0), random: createSeededRandom(1) };

function jobWith(names: readonly string[]): JobViewFields {
  const spec = {
    id: createJobId(source),
    flow: 'line',
    input: encodeJson({}),
    queue: 'default',
    priority: 5,
    maxAttempts: 5,
    deadlines: {},
    retentionMs: 1000,
    labels: {},
    contentDigest: '',
    postedAtUnixMs: 0,
  };
  return {
    spec,
    status: initialStatus(spec, { bucket: 'b', order: '0' }),
    atoms: names.map((name, at) => ({
      ...pendingAtom(name),
      state: 'success' as const,
      startedAtUnixMs: 100 - at,
    })),
    waitingReason: '',
    signals: [],
    changes: [],
  };
}

const line = flow({
  name: 'line',
  body: linear(
    'main',
    task({ name: 'zebra', execute() {} }),
    task({ name: 'apple', execute() {} }),
    task({ name: 'mango', execute() {} }),
  ),
});

/** The names of the tasks, in the order in which they are told. */
function toldTasks(names: readonly string[], isKnown: boolean): readonly string[] {
  const lines: string[] = [];
  // Everything of a stream that lines need.
  const output = { isTTY: false, write: (text: string) => lines.push(text) } as unknown;
  const progress = createJobProgress({
    output: output as NodeJS.WriteStream,
    flow: isKnown ? toFlowRecord(line, { by: 'w', atUnixMs: 0 }) : undefined,
    style: () => ({ colors: picocolors.createColors(false), width: 80, nowUnixMs: 0 }),
  });
  progress.show(jobWith(names));
  progress.show(jobWith(names));
  return lines.flatMap((text) => /^ (\w+) \w+\n$/.exec(text)?.[1] ?? []);
}

test('lines of tasks come in the order of the flow, once each, and only of those that have begun', () => {
  expect(toldTasks(['apple', 'zebra'], true)).toEqual(['zebra', 'apple']);
});

test('lines of steps that no graph tells of come in the order in which they began', () => {
  expect(toldTasks(['apple', 'mango', 'zebra'], false)).toEqual(['zebra', 'mango', 'apple']);
});
