import { LIMITS } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { map } from './map.ts';
import { linear, unordered } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import type { RunsWhere } from './task.ts';
import { named, task } from './task.ts';

const execute = (): void => undefined;

describe('where a task runs', () => {
  test('is what it says, else what its flow says, else where the flow does', () => {
    const body = unordered(
      'main',
      task({ name: 'a', execute }),
      task({ name: 'b', runs: 'here', execute }),
      task({ name: 'c', runs: 'anywhere', execute }),
      task({ name: 'd', runs: { labels: { gpu: 'yes' } }, execute }),
    );
    const runsOn = (runs?: RunsWhere): unknown =>
      flow({ name: 'f', body, ...(runs ? { runs } : {}) }).graph.nodes.map((node) => [
        node.name,
        node.runsOn,
      ]);
    const own = [
      ['b', undefined],
      ['c', {}],
      ['d', { gpu: 'yes' }],
    ];
    expect(runsOn()).toEqual([['a', undefined], ...own]);
    expect(runsOn('anywhere')).toEqual([['a', {}], ...own]);
    expect(runsOn({ labels: { os: 'linux' } })).toEqual([['a', { os: 'linux' }], ...own]);
  });

  test('concerns plain tasks only, those of map bodies too', () => {
    const { graph } = flow({
      name: 'f',
      runs: 'anywhere',
      input: z.object({ list: z.array(z.number()) }),
      body: withRetry(
        times({ attempts: 2, name: 'again' }),
        map('each', { over: 'list', as: 'n', body: task({ name: 'one', execute }) }),
      ),
    });
    expect(graph.nodes.map(({ name, runsOn }) => [name, runsOn])).toEqual([
      ['again', undefined],
      ['each', undefined],
    ]);
    expect(graph.nodes[1]?.body?.nodes.map(({ name, runsOn }) => [name, runsOn])).toEqual([
      ['one', {}],
    ]);
  });

  test('is part of the digest only where a task runs elsewhere', () => {
    const digest = (runs: RunsWhere | undefined): string =>
      flow({ name: 'f', body: task({ name: 't', execute, ...(runs ? { runs } : {}) }) }).digest;
    expect(digest('here')).toBe(digest(undefined));
    expect(digest('anywhere')).not.toBe(digest(undefined));
    expect(digest({ labels: { os: 'linux' } })).not.toBe(digest('anywhere'));
  });

  test('goes along with a task under another name', () => {
    const one = task({ name: 'one', runs: 'anywhere', startTimeoutMs: 5000, execute });
    expect(named('two', one).spec).toMatchObject({ runs: 'anywhere', startTimeoutMs: 5000 });
    const { graph } = flow({ name: 'f', body: linear('main', one, named('two', one)) });
    expect(graph.nodes.map(({ runsOn }) => runsOn)).toEqual([{}, {}]);
  });

  test.each([
    ['another word', 'there', /task\(t\)\.runs.*there.*'here', 'anywhere', or \{ labels \}/],
    ['no labels', {}, /task\(t\)\.runs/],
    ['null', null, /task\(t\)\.runs/],
    ['labels that are no names', { labels: { os: 'a b' } }, /task\(t\)\.runs\.labels\.os/],
    [
      'labels that are too long together',
      { labels: { one: 'x'.repeat(120), two: 'x'.repeat(128) } },
      new RegExp(`task\\(t\\)\\.runs\\.labels.*257 characters.*${LIMITS.remoteLabelsLength}`),
    ],
  ])('can not be %s', (_, runs, message) => {
    // Callers without types may hand in anything.
    expect(() => task({ name: 't', runs: runs as RunsWhere, execute })).toThrow(message);
  });

  test('of a flow is checked likewise', () => {
    const body = task({ name: 't', execute });
    expect(() => flow({ name: 'f', body, runs: 'there' as 'here' })).toThrow(/flow\(f\)\.runs/);
  });
});

describe('the time that a task may wait until somebody begins to run it', () => {
  test.each([0, 1.5, LIMITS.durationMaxMs + 1])('is not %d', (startTimeoutMs) => {
    expect(() => task({ name: 't', runs: 'anywhere', startTimeoutMs, execute })).toThrow(
      /task\(t\)\.startTimeoutMs/,
    );
  });

  test('is none for a task that can only run here', () => {
    expect(() => task({ name: 't', runs: 'here', startTimeoutMs: 1, execute })).toThrow(
      /task\(t\)\.startTimeoutMs.*starts as soon as it can/,
    );
    expect(task({ name: 't', startTimeoutMs: 1, execute }).spec.startTimeoutMs).toBe(1);
  });
});
