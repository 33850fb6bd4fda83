// What the compiler makes of retry controllers, choices and maps.
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { choose, when } from './choice.ts';
import { map } from './map.ts';
import { graph, linear, unordered } from './pattern.ts';
import {
  namesAt,
  node,
  nodeOf,
  planFor,
  problemsOf,
  roleOf,
  scopesOf,
  sourcesOf,
} from './plan-view.fixture.ts';
import { withRetry } from './retry-controller.ts';
import { alwaysRevert, forEach, parameterizedForEach, times } from './retry-rounds.ts';
import type { Item } from './wiring-type.ts';

describe('a retry controller', () => {
  test('comes before its item, lies outside of its own scope, and is named after the item', () => {
    const plan = planFor(
      linear(
        'main',
        node('a'),
        withRetry(times({ attempts: 2 }), unordered('u', node('b'), node('c'))),
        node('d'),
      ),
    );
    expect(plan.nodes.map(({ name }) => name)).toEqual(['a', 'u.retry', 'b', 'c', 'd']);
    expect(scopesOf(plan)).toEqual({ a: 0, 'u.retry': 0, b: 1, c: 1, d: 0 });
    expect(plan.scopes).toEqual([
      { parent: undefined, controller: undefined },
      { parent: 0, controller: 1 },
    ]);
    expect(roleOf(plan, 'u.retry', 'retry').controls).toBe(1);
    expect(namesAt(plan, nodeOf(plan, 'd').predecessors)).toEqual(['b', 'c']);
    expect(namesAt(plan, nodeOf(plan, 'c').predecessors)).toEqual(['u.retry']);
  });

  test('around another one has the inner one in its scope', () => {
    const inner = withRetry(times({ name: 'often', attempts: 2 }), node('b'));
    const plan = planFor(withRetry(alwaysRevert(), linear('l', node('a'), inner, node('c'))));
    expect(scopesOf(plan)).toEqual({ 'l.retry': 0, a: 1, often: 1, b: 2, c: 1 });
    expect(plan.scopes.map(({ parent }) => parent)).toEqual([undefined, 0, 1]);
    const numbers = new Set(plan.nodes.map(({ pattern }) => pattern));
    expect(numbers.size).toBe(3);
  });

  test('is passed when there is nothing under it', () => {
    const plan = planFor(
      linear('main', withRetry(times({ attempts: 2 }), linear('no')), node('a')),
    );
    expect(namesAt(plan, nodeOf(plan, 'a').predecessors)).toEqual(['no.retry']);
  });

  test('provides inside and after, and reads what is before', () => {
    const each = parameterizedForEach({ values: 'list', provides: 'x' });
    const plan = planFor(
      linear('main', withRetry(each, node('a', ['x'], ['y'])), node('b', ['x', 'y'])),
    );
    expect(sourcesOf(plan, 'a.retry')).toEqual(['list=input.list']);
    expect(sourcesOf(plan, 'a')).toEqual(['x=a.retry.x']);
    expect(sourcesOf(plan, 'b')).toEqual(['x=a.retry.x', 'y=a.y']);
  });

  test('has a unique name, and the error says how to get there', () => {
    const items: readonly Item[] = [
      withRetry(times({ attempts: 2 }), linear('same', node('a'))),
      withRetry(times({ attempts: 2 }), linear('same', node('b'))),
    ];
    const body = linear('main', ...items);
    expect(problemsOf(body)).toEqual([
      "duplicate: two tasks are named 'same.retry'; the name of a task is unique in its flow: give one of the retry controllers a name",
    ]);
  });

  test('sees no value of its own item', () => {
    const body = withRetry(
      parameterizedForEach({ values: 'y', provides: 'x' }),
      node('a', ['x'], ['y']),
    );
    expect(problemsOf(body)).toEqual([
      "missing: task 'a.retry' requires 'y', which nothing before it provides",
    ]);
  });
});

describe('a choice', () => {
  const chosen = choose('which', {
    requires: { n: z.number() },
    case: ({ n }) => (n > 1 ? 'big' : undefined),
    cases: { big: linear('big', node('a', [], ['x']), node('b', ['x'], ['y'])) },
    otherwise: unordered('rest', node('c', ['n'], ['x']), node('d')),
  });

  test('comes before its cases, which know their nodes, and is waited for as a whole', () => {
    const plan = planFor(linear('main', chosen, node('e', ['x'])));
    const { cases, choice } = roleOf(plan, 'which', 'choice');
    expect(cases.map(({ name, nodes }) => [name, namesAt(plan, nodes)])).toEqual([
      ['big', ['a', 'b']],
      ['otherwise', ['c', 'd']],
    ]);
    expect(choice.otherwise).toBe('otherwise');
    expect(namesAt(plan, nodeOf(plan, 'which').successors)).toEqual(['a', 'c', 'd']);
    // An edge for each value, and one from the end of each case.
    expect(new Set(namesAt(plan, nodeOf(plan, 'e').predecessors))).toEqual(
      new Set(['a', 'b', 'c', 'd']),
    );
    expect(sourcesOf(plan, 'e')).toEqual(['x=a.x|c.x']);
    expect(sourcesOf(plan, 'which')).toEqual(['n=input.n']);
  });

  test('holds all that is in its cases: joins, scopes, maps and further choices', () => {
    const wide = (name: string) =>
      unordered(name, ...Array.from({ length: 10 }, (_, index) => node(`${name}${index}`)));
    const inner = when('inner', { if: { decide: () => true }, do: node('deep') });
    const each = map('each', { over: 'list', as: 'item', body: node('in-body') });
    const body = when('w', {
      if: { decide: () => true },
      do: linear(
        'l',
        wide('p'),
        wide('q'),
        withRetry(times({ attempts: 2 }), node('r')),
        inner,
        each,
      ),
    });
    const plan = planFor(linear('main', node('before'), body, node('after')));
    const [first] = roleOf(plan, 'w', 'choice').cases;
    const outside = plan.nodes.filter((_, place) => !first?.nodes.includes(place));
    expect(outside.map(({ name }) => name)).toEqual(['before', 'w', 'after']);
    expect(namesAt(plan, nodeOf(plan, 'after').predecessors)).toEqual(['each[end]']);
  });

  test('gives what nothing in a branch that is not there gives', () => {
    const plan = planFor(linear('main', chosen));
    expect(plan.output.map(({ name, from }) => [name, from.length])).toEqual([
      ['x', 2],
      ['y', 1],
    ]);
  });

  test('without anything to run is passed by itself', () => {
    const empty = when('w', { if: { decide: () => true }, do: linear('no') });
    const plan = planFor(linear('main', empty, node('a')));
    expect(namesAt(plan, nodeOf(plan, 'a').predecessors)).toEqual(['w']);
  });

  test('keeps its cases apart, and its names unique', () => {
    const apart = choose('c', {
      case: () => 'p',
      cases: { p: node('a', [], ['x']), q: node('b', ['x']) },
    });
    expect(problemsOf(apart)).toEqual([
      "missing: task 'b' requires 'x', which nothing before it provides",
    ]);
    const doubled = choose('a', { case: () => 'p', cases: { p: node('a') } });
    expect(problemsOf(doubled)).toEqual([
      "duplicate: two tasks are named 'a'; the name of a task is unique in its flow",
    ]);
    const beside = unordered('u', chosen, node('z', [], ['x']));
    expect(problemsOf(beside)).toEqual([
      "ambiguous: task 'z' provides 'x', and so does task 'a' beside it; give one of the values another name",
    ]);
  });
});

describe('a map', () => {
  test('is a fork, a body and a gather', () => {
    const body = linear(
      'body',
      node('a', ['item', 'place', 'n', 'k'], ['x']),
      node('b', ['x'], ['y']),
    );
    const each = map('each', { over: 'list', as: 'item', index: 'place', concurrency: 3, body });
    const plan = planFor(linear('main', node('k', [], ['k']), each, node('after', ['y'])));
    const fork = roleOf(plan, 'each', 'fork');
    expect(fork.concurrency).toBe(3);
    expect(fork.list).toBe('list');
    expect(sourcesOf(plan, 'each')).toEqual(['list=input.list', 'k=k.k']);
    expect(fork.body.nodes.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(fork.body.scopes).toEqual([{ parent: undefined, controller: undefined }]);
    expect(sourcesOf(fork.body, 'a')).toEqual([
      'item=item',
      'place=index',
      'n=input.n',
      'k=fork.k',
    ]);
    expect(sourcesOf(fork.body, 'b')).toEqual(['x=a.x']);
    expect(namesAt(plan, [fork.gather])).toEqual(['each[end]']);
    expect(roleOf(plan, 'each[end]', 'gather')).toEqual({
      kind: 'gather',
      fork: 1,
      values: [
        { name: 'x', from: [{ node: 0, value: 'x' }] },
        { name: 'y', from: [{ node: 1, value: 'y' }] },
      ],
    });
    expect(sourcesOf(plan, 'after')).toEqual(['y=each[end].y']);
    expect(namesAt(plan, nodeOf(plan, 'after').predecessors)).toEqual(['each[end]']);
  });

  test('collects what it is told, by the names that it is told', () => {
    const body = node('a', ['item'], ['x', 'y']);
    const each = map('each', { over: 'list', as: 'item', body, collect: { y: 'ys' } });
    const plan = planFor(each);
    expect(plan.output.map(({ name }) => name)).toEqual(['ys']);
    const wrong = map('each', { over: 'list', as: 'item', body, collect: { z: 'zs' } });
    expect(problemsOf(wrong)).toEqual([
      "unknown: map 'each' can't collect 'z', which no task in it provides",
    ]);
  });

  test('in a map reads what is outside by way of both', () => {
    const inner = map('inner', {
      over: 'rows',
      as: 'cell',
      body: node('a', ['cell', 'row', 'k'], ['x']),
    });
    const outer = map('outer', {
      over: 'list',
      as: 'row',
      body: linear('l', node('r', [], ['rows']), inner),
    });
    const plan = planFor(linear('main', node('k', [], ['k']), outer));
    const around = roleOf(plan, 'outer', 'fork').body;
    const within = roleOf(around, 'inner', 'fork').body;
    expect(sourcesOf(plan, 'outer')).toEqual(['list=input.list', 'k=k.k']);
    expect(sourcesOf(around, 'inner')).toEqual(['rows=r.rows', 'row=item', 'k=fork.k']);
    expect(sourcesOf(within, 'a')).toEqual(['cell=item', 'row=fork.row', 'k=fork.k']);
    expect(plan.output.map(({ name }) => name)).toEqual(['k', 'rows', 'x']);
  });

  test('has scopes and choices of its own', () => {
    const either = when('w', {
      if: { decide: () => true },
      do: node('a', [], ['x']),
      otherwise: node('b', [], ['x']),
    });
    const each = map('each', {
      over: 'list',
      as: 'item',
      body: withRetry(
        forEach({ values: [1, 2], provides: 'v' }),
        linear('l', node('c', ['v']), either),
      ),
    });
    const plan = planFor(each);
    const { body } = roleOf(plan, 'each', 'fork');
    expect(scopesOf(body)).toEqual({ 'l.retry': 0, c: 1, w: 1, a: 1, b: 1 });
    expect(roleOf(body, 'l.retry', 'retry').controls).toBe(1);
    expect(plan.scopes).toHaveLength(1);
    expect(roleOf(plan, 'each[end]', 'gather').values).toContainEqual({
      name: 'x',
      from: [
        { node: 3, value: 'x' },
        { node: 4, value: 'x' },
      ],
    });
  });

  test('is nested 30 deep at most', () => {
    const nested = (depth: number): Item => {
      let body: Item = node('a', ['i1'], ['x']);
      for (let each = 1; each <= depth; each += 1) {
        body = map(`m${each}`, { over: 'list', as: `i${each}`, body });
      }
      return body;
    };
    expect(problemsOf(nested(30))).toEqual([]);
    expect(problemsOf(nested(31))).toEqual(['limit: maps are nested more than 30 deep']);
  });

  test('makes what provides a value wait in no cycle: an item of a graph waits for it as a whole', () => {
    const each = map('each', { over: 'list', as: 'item', body: node('a', ['item', 'k'], ['x']) });
    const plan = planFor(graph('g', { tasks: [node('z', ['x']), each, node('k', [], ['k'])] }));
    expect(plan.nodes.map(({ name }) => name)).toEqual(['k', 'each', 'z', 'each[end]']);
    expect(namesAt(plan, nodeOf(plan, 'each').predecessors)).toEqual(['k']);
    expect(problemsOf(graph('g', { tasks: [each, node('k', ['x'], ['k'])] }))).toEqual([
      "cyclic: graph 'g' has a cycle: task 'a' requires 'k' from task 'k'; task 'k' requires 'x' from task 'each'",
    ]);
  });
});
