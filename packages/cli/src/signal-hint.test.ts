import { flow, linear, map, task, waitFor, workflow } from '@holdfast/flow';
import type { FlowFields } from '@holdfast/wire';
import { toFlowRecord } from '@holdfast/worker';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { hintOfSignal } from './signal-hint.ts';

const registered = (made: Parameters<typeof toFlowRecord>[0]): FlowFields =>
  toFlowRecord(made, { by: 'w', atUnixMs: 0 });

const list = task({
  name: 'list',
  provides: { people: z.array(z.string()) },
  execute: () => ({ people: [] }),
});
const asking = registered(
  flow({
    name: 'asking',
    body: linear(
      'main',
      list,
      map('ask', { over: 'people', as: 'person', body: waitFor('vote', { event: 'voted' }) }),
      waitFor('approval', { event: 'approve' }),
    ),
  }),
);

describe('a signal that nothing waits for', () => {
  test('is told with those that the flow waits for, inside of maps too', () => {
    expect(hintOfSignal(asking, 'aprove')).toBe(
      "Flow asking doesn't wait for aprove; it waits for: voted, approve",
    );
    expect(hintOfSignal(registered(flow({ name: 'calm', body: list })), 'x')).toContain(
      'no signal',
    );
  });

  test('is not told of where the flow waits for it, or nobody knows', () => {
    expect(hintOfSignal(asking, 'voted')).toBe('');
    expect(hintOfSignal(undefined, 'x')).toBe('');
    expect(hintOfSignal(registered(workflow('code', async () => ({}))), 'x')).toBe('');
    const older = asking.nodes.map(({ name, requires, provides, path, hasRevert, kind }) => ({
      ...{ name, requires, provides, path, hasRevert },
      ...(kind === undefined ? {} : { kind }),
    }));
    expect(hintOfSignal({ ...asking, nodes: older }, 'x')).toBe('');
  });
});
