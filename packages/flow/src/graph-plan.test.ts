// What the compiler makes of deciders, targets and waits, and how it is drawn.
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { when } from './choice.ts';
import { waitFor } from './event-wait.ts';
import { planOf } from './flow.ts';
import type { FlowPlan } from './flow-plan.ts';
import { link } from './link.ts';
import { map } from './map.ts';
import { graph, linear, unordered } from './pattern.ts';
import {
  compiled,
  namesAt,
  node,
  nodeOf,
  planFor,
  problemsOf,
  roleOf,
  sourcesOf,
} from './plan-view.fixture.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { sleep } from './sleep.ts';
import { task } from './task.ts';

const never = { decide: () => false };

describe('a decider', () => {
  const votesOn = (plan: FlowPlan) =>
    plan.nodes.flatMap(({ name, votes }) =>
      votes.map(({ sources, depth }) => `${namesAt(plan, sources).join('+')} → ${name} (${depth})`),
    );

  test('is asked for every task that the target begins with, about those that the source ends with', () => {
    const from = linear('from', node('a'), unordered('u', node('b'), node('c')));
    const to = linear(
      'to',
      unordered('v', node('d'), linear('w', unordered('no'), node('e'))),
      node('f'),
    );
    const plan = planFor(
      graph('g', { tasks: [to, from], links: [link(from, to, { ...never, depth: 'flow' })] }),
    );
    expect(votesOn(plan)).toEqual(['b+c → d (flow)', 'b+c → e (flow)']);
  });

  test('is asked once for a retry controller, a choice and a map', () => {
    const a = node('a');
    const retry = withRetry(times({ attempts: 2 }), node('b'));
    const choice = when('w', { if: { decide: () => true }, do: node('c') });
    const each = map('each', { over: 'list', as: 'item', body: node('d', ['item'], ['x']) });
    const plan = planFor(
      graph('g', {
        tasks: [a, retry, choice, each],
        links: [
          link(a, retry, never),
          link(retry, choice, never),
          link(choice, each, { ...never, depth: 'atom' }),
        ],
      }),
    );
    expect(votesOn(plan)).toEqual(['a → b.retry (all)', 'b → w (all)', 'c → each (atom)']);
  });

  test('passes over points before the first tasks', () => {
    const [a, gap, b] = [node('a'), unordered('gap'), node('b')];
    const inner = graph('inner', { tasks: [gap, b], links: [[gap, b]] });
    const plan = planFor(graph('g', { tasks: [a, inner], links: [link(a, inner, never)] }));
    expect(votesOn(plan)).toEqual(['a → b (all)']);
  });

  test('gets results by the names that people know, as the flow calls the values', async () => {
    let seen: unknown;
    const copy = task({
      name: 'copy',
      requires: { item: z.number() },
      provides: { path: z.string() },
      rename: { path: 'copied' },
      execute: () => ({ path: '' }),
    });
    const decide = (results: unknown) => {
      seen = results;
      return true;
    };
    const [each, b] = [map('each', { over: 'list', as: 'item', body: copy }), node('b')];
    const plan = planFor(graph('g', { tasks: [each, b], links: [link(each, b, { decide })] }));
    expect(votesOn(plan)).toEqual(['each[end] → b (all)']);
    await nodeOf(plan, 'b').votes[0]?.decide({ 'each[end]': { copied: ['x'] } });
    expect(seen).toEqual({ each: { copied: ['x'] } });
    const inside = map('each', {
      over: 'list',
      as: 'item',
      body: graph('g', { tasks: [copy, b], links: [link(copy, b, { decide })] }),
    });
    const { body } = roleOf(planFor(inside), 'each', 'fork');
    await nodeOf(body, 'b').votes[0]?.decide({ 'copy[3]': { path: 'y', other: 1 } });
    expect(seen).toEqual({ copy: { copied: 'y' } });
  });

  test('needs something to decide about', () => {
    const [a, gap] = [node('a'), unordered('gap')];
    expect(problemsOf(graph('g', { tasks: [a, gap], links: [link(a, gap, never)] }))).toEqual([
      "unknown: a link to unordered 'gap' has a decider, but there is nothing in it to decide about",
    ]);
    expect(problemsOf(graph('g', { tasks: [a, gap], links: [link(gap, a, never)] }))).toEqual([
      "unknown: a link from unordered 'gap' has a decider, but there is nothing in it to decide about",
    ]);
  });
});

describe('a graph with a target', () => {
  test('is the target and what it needs, by values and by links', () => {
    const [a, b, c] = [node('a', [], ['x']), node('b', ['x'], ['y']), node('c', ['y'], ['z'])];
    const tasks = [c, node('d', ['given-by-nobody']), b, a, node('e', ['z'])];
    const built = compiled(graph('g', { tasks, target: c, links: [[a, c]] } as never));
    expect(built.graph.nodes.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect(
      planOf(built)
        .output.map(({ name }) => name)
        .sort(),
    ).toEqual(['x', 'y', 'z']);
  });

  test('counts what a pattern in it takes from outside, and nothing else', () => {
    const inner = linear(
      'inner',
      node('p', ['x'], ['y']),
      map('each', { over: 'rows', as: 'row', body: node('q', ['row', 'y', 'k'], ['z']) }),
      when('w', { if: { decide: () => true }, do: node('r', ['m']) }),
    );
    const others = ['x', 'y', 'k', 'm', 'row', 'rows', 'o'].map((value) =>
      node(`give-${value}`, [], [value]),
    );
    const built = compiled(
      graph('g', {
        tasks: [...others.filter(({ name }) => name !== 'give-y'), inner],
        target: inner,
      } as never),
    );
    const names = new Set(built.graph.nodes.map(({ name }) => name));
    expect([...names].filter((name) => name.startsWith('give-')).sort()).toEqual([
      'give-k',
      'give-m',
      'give-rows',
      'give-x',
    ]);
  });

  test('has the target among its items', () => {
    expect(problemsOf(graph('g', { tasks: [node('a')], target: node('b') } as never))).toEqual([
      "unknown: task 'b' is not in this graph; only what is can be its target",
    ]);
  });
});

describe('waits', () => {
  test('are atoms with a role of their own', () => {
    const plan = planFor(
      linear(
        'main',
        sleep('nap', { ms: 5 }),
        sleep('rest', { requires: { n: z.number() }, ms: ({ n }) => n }),
        waitFor('answer', { event: 'said', provides: 'x', timeoutMs: 9 }),
        node('a', ['x']),
      ),
    );
    expect(roleOf(plan, 'nap', 'sleep').sleep).toEqual({ kind: 'duration' });
    expect(roleOf(plan, 'answer', 'event').event).toEqual({
      event: 'said',
      schema: undefined,
      timeoutMs: 9,
      provides: 'x',
    });
    expect(sourcesOf(plan, 'rest')).toEqual(['n=input.n']);
    expect(sourcesOf(plan, 'a')).toEqual(['x=answer.x']);
  });
});

describe('what is drawn', () => {
  test('says what a node is, which case an edge leads to, and what a map does', () => {
    const [a, b] = [node('a'), node('b')];
    const built = compiled(
      linear(
        'main',
        graph('g', { tasks: [a, b], links: [link(a, b, { ...never, depth: 'neighbours' })] }),
        withRetry(times({ attempts: 2 }), node('c')),
        when('w', {
          if: { decide: () => true },
          do: node('d', [], ['y']),
          otherwise: node('e', [], ['y']),
        }),
        map('each', { over: 'list', as: 'item', body: node('h', ['item', 'y'], ['z']) }),
        sleep('nap', { ms: 1 }),
      ),
    );
    const { nodes, edges } = built.graph;
    expect(nodes.map(({ name, kind }) => [name, kind])).toEqual([
      ['a', undefined],
      ['b', undefined],
      ['c.retry', 'retry'],
      ['c', undefined],
      ['w', 'choice'],
      ['d', undefined],
      ['e', undefined],
      ['each', 'map'],
      ['nap', 'sleep'],
    ]);
    expect(
      edges.filter(({ label }) => label).map(({ from, to, label }) => `${from} → ${to}: ${label}`),
    ).toEqual(['a → b: if (neighbours)', 'w → d: do', 'w → e: otherwise']);
    expect(nodes.find(({ name }) => name === 'c')?.controller).toBe('c.retry');
    const drawn = nodes.find(({ name }) => name === 'each');
    expect(drawn?.provides).toEqual(['z']);
    expect(drawn?.sources).toEqual([
      { kind: 'input', value: 'list' },
      { kind: 'task', value: 'y', task: 'd' },
      { kind: 'task', value: 'y', task: 'e' },
    ]);
    expect(drawn?.body?.nodes.map(({ sources }) => sources)).toEqual([
      [
        { kind: 'item', value: 'item' },
        { kind: 'outside', value: 'y' },
      ],
    ]);
    expect(edges.at(-1)).toMatchObject({ from: 'each', to: 'nap' });
    expect(() => JSON.stringify(built.graph)).not.toThrow();
  });
});
