import { LIMITS, WiringError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type AnyFlow, flow } from './flow.ts';
import { graph, linear, unordered } from './pattern.ts';
import { type Task, task } from './task.ts';
import type { Item } from './wiring-type.ts';

/** A task that takes and gives numbers of these names. */
function node(name: string, takes: readonly string[] = [], gives: readonly string[] = []): Task {
  const schemas = (names: readonly string[]) =>
    Object.fromEntries(names.map((value) => [value, z.number()]));
  return task({
    name,
    requires: schemas(takes),
    provides: schemas(gives),
    execute: () => Object.fromEntries(gives.map((value) => [value, 1])),
  });
}

/** What is wrong with a flow of this body; empty when nothing is. */
function problemsOf(
  body: Item,
  more: { readonly input?: z.ZodType; readonly output?: string[] } = {},
) {
  try {
    flow({ name: 'f', body, ...more } as never);
    return [];
  } catch (error) {
    if (!(error instanceof WiringError)) throw error;
    return error.problems.map(({ kind, message }) => `${kind}: ${message}`);
  }
}

function edgesOf({ graph: { edges } }: AnyFlow): string[] {
  return edges.map(({ from, to, values }) => `${from} → ${to} ${values.join(',')}`.trim()).sort();
}

function compiled(body: Item, input?: z.ZodType): AnyFlow {
  return flow({ name: 'f', body, input } as never);
}

describe('the graph of a flow', () => {
  test('linear items follow each other, and say which values they take', () => {
    const built = compiled(
      linear('main', node('a', [], ['x']), node('b'), node('c', ['x'], ['y'])),
    );
    expect(built.graph.nodes.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect(edgesOf(built)).toEqual(['a → b', 'a → c x', 'b → c']);
    expect(built.graph.nodes[2]).toEqual({
      name: 'c',
      description: '',
      requires: ['x'],
      provides: ['y'],
      sources: [{ kind: 'task', value: 'x', task: 'a' }],
      path: ['main'],
      hasRevert: false,
    });
  });

  test('unordered items have no edges, and groups in a row wait for each other', () => {
    const built = compiled(
      linear('main', unordered('u', node('a'), node('b')), unordered('v', node('c'), node('d'))),
    );
    expect(edgesOf(built)).toEqual(['a → c', 'a → d', 'b → c', 'b → d']);
    expect(built.graph.nodes.map(({ path }) => path.join('/'))).toEqual([
      'main/u',
      'main/u',
      'main/v',
      'main/v',
    ]);
  });

  test('the order in a graph follows from values and links, not from the list', () => {
    const last = node('last');
    const first = node('first', [], ['x']);
    const body = graph('g', {
      tasks: [last, node('mid', ['x'], ['y']), first],
      links: [[first, last]],
    });
    const built = compiled(body);
    expect(edgesOf(built)).toEqual(['first → last', 'first → mid x']);
    expect(built.graph.nodes[0]?.name).toBe('first');
  });

  test('a pattern counts as one item of a graph', () => {
    const sub = linear('sub', node('s1'), node('s2', ['x'], ['y']));
    const built = compiled(graph('g', { tasks: [node('end', ['y']), sub, node('a', [], ['x'])] }));
    expect(edgesOf(built)).toEqual(['a → s1', 'a → s2 x', 's1 → s2', 's2 → end y']);
  });

  test('an item without tasks still stands between those linked to it', () => {
    const [a, b, gap] = [node('a'), node('b'), unordered('gap')];
    const built = compiled(
      graph('g', {
        tasks: [b, gap, a],
        links: [
          [a, gap],
          [gap, b],
        ],
      }),
    );
    expect(built.graph.nodes.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(built.graph.joins.length).toBe(1);
  });

  test('nothing in it can be changed', () => {
    const built = compiled(linear('main', node('a', [], ['x']), node('b', ['x'])));
    expect(Object.isFrozen(built)).toBe(true);
    expect(Object.isFrozen(built.graph.nodes)).toBe(true);
    expect(Object.isFrozen(built.graph.nodes[0])).toBe(true);
    expect(Object.isFrozen(built.graph.edges[0]?.values)).toBe(true);
  });
});

describe('who provides a value', () => {
  const sourceOf = (built: AnyFlow, name: string) =>
    built.graph.nodes.find((each) => each.name === name)?.sources;

  test('the nearest earlier provider wins in a linear pattern', () => {
    const built = compiled(
      linear('main', node('a', [], ['x']), node('b', ['x'], ['x']), node('c', ['x'])),
    );
    expect(sourceOf(built, 'b')).toEqual([{ kind: 'task', value: 'x', task: 'a' }]);
    expect(sourceOf(built, 'c')).toEqual([{ kind: 'task', value: 'x', task: 'b' }]);
  });

  test('a task before hides the flow input of the same name', () => {
    const input = z.object({ x: z.number() });
    const built = compiled(
      linear('main', node('a', ['x']), node('b', [], ['x']), node('c', ['x'])),
      input,
    );
    expect(sourceOf(built, 'a')).toEqual([{ kind: 'input', value: 'x' }]);
    expect(sourceOf(built, 'c')).toEqual([{ kind: 'task', value: 'x', task: 'b' }]);
  });

  test('unordered items see what is around them, not each other', () => {
    const body = linear(
      'main',
      node('a', [], ['x']),
      unordered('u', node('b', ['x'], ['y']), node('c', ['y'])),
    );
    expect(problemsOf(body)).toEqual([
      "missing: task 'c' requires 'y', which nothing before it provides",
    ]);
  });

  test('an item of a graph never provides for itself', () => {
    const input = z.object({ x: z.number() });
    const built = compiled(
      graph('g', { tasks: [node('c', ['x']), node('b', ['x'], ['x'])] }),
      input,
    );
    expect(sourceOf(built, 'b')).toEqual([{ kind: 'input', value: 'x' }]);
    expect(sourceOf(built, 'c')).toEqual([{ kind: 'task', value: 'x', task: 'b' }]);
  });
});

describe('wiring that is wrong', () => {
  const cases: [string, Item, string[]][] = [
    [
      'a value that nothing provides',
      linear('main', node('report', ['commit'])),
      ["missing: task 'report' requires 'commit', which nothing before it provides"],
    ],
    [
      'a value that only a later task provides',
      linear('main', node('report', ['commit']), node('resolve', [], ['commit'])),
      ["missing: task 'report' requires 'commit', which nothing before it provides"],
    ],
    [
      'two tasks of one name, however deep',
      linear('main', node('a'), unordered('u', linear('l', node('a')))),
      ["duplicate: two tasks are named 'a'; the name of a task is unique in its flow"],
    ],
    [
      'two siblings that provide one name',
      linear('main', unordered('u', node('a', [], ['x']), node('b', [], ['x'])), node('c', ['x'])),
      [
        "ambiguous: task 'b' provides 'x', and so does task 'a' beside it; give one of the values another name",
      ],
    ],
    [
      'the same in a graph',
      graph('g', { tasks: [node('a', [], ['x']), node('b', [], ['x'])] }),
      [
        "ambiguous: task 'b' provides 'x', and so does task 'a' beside it; give one of the values another name",
      ],
    ],
    [
      'a cycle of values',
      graph('g', {
        tasks: [node('p', ['q'], ['r']), node('q', ['r'], ['q']), node('z', ['r']), node('o')],
      }),
      [
        "cyclic: graph 'g' has a cycle: task 'p' requires 'q' from task 'q'; task 'q' requires 'r' from task 'p'",
      ],
    ],
  ];
  test.each(cases)('%s', (_what, body, problems) => {
    expect(problemsOf(body)).toEqual(problems);
  });

  test('a cycle through a link', () => {
    const a = node('a', [], ['x']);
    const b = node('b', ['x']);
    expect(problemsOf(graph('g', { tasks: [a, b], links: [[b, a]] }))).toEqual([
      "cyclic: graph 'g' has a cycle: task 'a' is linked to run after task 'b'; task 'b' requires 'x' from task 'a'",
    ]);
    expect(problemsOf(graph('g', { tasks: [a], links: [[a, a]] }))).toEqual([
      "cyclic: graph 'g' has a cycle: task 'a' is linked to run after task 'a'",
    ]);
  });

  test('a link to what is not in the graph', () => {
    const [a, stranger] = [node('a'), node('stranger')];
    expect(problemsOf(graph('g', { tasks: [a], links: [[a, stranger]] }))).toEqual([
      "unknown: task 'stranger' is not in this graph; only what is can be linked",
    ]);
  });

  test('an output that nobody provides', () => {
    expect(problemsOf(node('a', [], ['x']), { output: ['x', 'y'] })).toEqual([
      "unknown: no task of the flow provides 'y'",
    ]);
  });

  test('a requirement that the schema of the input is known not to have', () => {
    const body = linear('main', node('a', ['x']));
    const missing = "missing: task 'a' requires 'x', which nothing before it provides";
    expect(problemsOf(body, { input: z.object({ y: z.number() }) })).toEqual([missing]);
    expect(problemsOf(body, { input: z.object({ x: z.number() }) })).toEqual([]);
    // These may have more than they list, so that only the run can tell.
    expect(problemsOf(body, { input: z.looseObject({ y: z.number() }) })).toEqual([]);
    expect(problemsOf(body, { input: z.record(z.string(), z.number()) })).toEqual([]);
  });

  test('all problems are reported together', () => {
    const body = linear('main', node('a', ['x']), node('a', ['y']));
    expect(problemsOf(body, { output: ['z'] })).toHaveLength(4);
  });

  test('of many problems the first are named, and the number of the others', () => {
    const body = linear('main', ...Array.from({ length: 200 }, (_, n) => node(`t${n}`, ['x'])));
    const problems = problemsOf(body);
    expect(problems).toHaveLength(51);
    expect(problems.at(-1)).toBe('limit: and 150 more problems like these');
  });

  test('more tasks than a flow may have', () => {
    const body = unordered(
      'main',
      ...Array.from({ length: LIMITS.tasksPerFlow + 1 }, (_, n) => node(`t${n}`)),
    );
    expect(problemsOf(body)).toEqual([
      `limit: the flow has more than ${LIMITS.tasksPerFlow} tasks`,
    ]);
  });

  test('patterns nested too deep', () => {
    let body: Item = node('a');
    for (let depth = 0; depth < 5000; depth += 1) body = linear(`l${depth}`, body);
    expect(problemsOf(body)).toEqual(['limit: patterns are nested more than 100 deep']);
  });
});

describe('what is registered', () => {
  const body = node('a', [], ['x']);
  const input = z.object({ who: z.string(), times: z.number().default(1) });

  test('the JSON Schema of what a poster sends', () => {
    expect(JSON.parse(compiled(body, input).inputSchemaJson)).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      required: ['who'],
    });
  });

  test('no JSON Schema when the library offers none', () => {
    const plain = {
      '~standard': { version: 1, vendor: 'plain', validate: (value: unknown) => ({ value }) },
    };
    expect(compiled(body, plain as never).inputSchemaJson).toBe('');
  });

  test('a flow without input takes nothing, and its JSON Schema says so', () => {
    expect(JSON.parse(compiled(body).inputSchemaJson)).toMatchObject({ maxProperties: 0 });
  });

  test('the digest is the same for the same shape, and another for any other', () => {
    const digest = (over: object) => flow({ name: 'f', body, input, ...over } as never).digest;
    expect(digest({})).toMatch(/^[0-9a-f]{64}$/);
    expect(digest({})).toBe(digest({ body: node('a', [], ['x']) }));
    const others = [
      { name: 'g' },
      { description: 'says more' },
      { input: z.object({ who: z.string() }) },
      { body: node('b', [], ['x']) },
      { body: node('a', [], ['y']) },
      { body: linear('main', body) },
    ];
    expect(new Set([{}, ...others].map(digest)).size).toBe(others.length + 1);
  });
});
