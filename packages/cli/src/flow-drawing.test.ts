import { encodeJson, pendingAtom, type TaskState } from '@holdfast/core';
import {
  choose,
  flow,
  graph,
  linear,
  map,
  sleep,
  type Task,
  task,
  unordered,
  waitFor,
} from '@holdfast/flow';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { toAscii } from './drawing-ascii.ts';
import { toDot } from './drawing-dot.ts';
import { toMermaid } from './drawing-mermaid.ts';
import { SVG_SIZE_MAX, toSvg } from './drawing-svg.ts';
import { createDrawing, type DrawableFlow, type DrawnJob } from './flow-drawing.ts';

const step = (name: string): Task<string, never, never> =>
  task<string, {}, {}>({ name, execute() {} });

const fetching = task({
  name: 'fetch',
  provides: { commit: z.string() },
  execute: () => ({ commit: 'c' }),
});
const lint = task({ name: 'lint', requires: { commit: z.string() }, execute() {} });
const report = task({ name: 'report', requires: { commit: z.string() }, execute() {} });
const build = flow({
  name: 'build',
  body: linear('main', fetching, unordered('checks', lint, step('test')), report),
});

const BUILD: DrawableFlow = { name: 'build', ...build.graph };

function jobWith(states: Readonly<Record<string, TaskState>>): DrawnJob {
  const atoms = Object.entries(states).map(([name, state]) => ({ ...pendingAtom(name), state }));
  return { title: 'job 1 running', atoms };
}

describe('ascii', () => {
  test('tasks that run side by side share a box', () => {
    expect(toAscii(createDrawing(BUILD), 80)).toBe(`flow build

    +-------+
    | fetch |
    +-------+
        |
        +-------+
        v       |
     +------+   |
     | lint |   |
     | test |   |
     +------+   |
        |       |
        +--+----+
           v
       +--------+
       | report |
       +--------+`);
  });

  test('a job is drawn with the states of its tasks', () => {
    const text = toAscii(createDrawing(BUILD, jobWith({ fetch: 'success', lint: 'running' })), 80);
    expect(text).toMatch(/^job 1 running\n/);
    expect(text).toContain('| fetch  success |');
    expect(text).toContain('| lint  running |');
    expect(text).toContain('| test  pending |');
  });

  test('many tasks stand in several columns, and a point stands between two large groups', () => {
    const many = (word: string): Task<string, never, never>[] =>
      Array.from({ length: 30 }, (_, number) => step(`${word}${number}`));
    const large = flow({
      name: 'large',
      body: linear('all', unordered('a', ...many('left')), unordered('b', ...many('right'))),
    });
    const text = toAscii(createDrawing({ name: 'large', ...large.graph }), 80);
    expect(text).toMatch(/v\n +o\n +v/);
    expect(text.split('\n').length).toBeLessThan(30);
  });

  test('what is too wide to be drawn is listed with what each task waits for', () => {
    const sources = Array.from({ length: 12 }, (_, number) => step(`a-source-${number}`));
    const targets = sources.map((_, number) => step(`a-target-${number}`));
    const links = targets.flatMap((to, number) => {
      const from = [sources[number], sources[(number + 1) % 12]];
      return from.flatMap((each) => (each ? [[each, to] as const] : []));
    });
    const wide = flow({
      name: 'wide',
      body: graph('g', { tasks: [...sources, ...targets], links }),
    });
    const text = toAscii(createDrawing({ name: 'wide', ...wide.graph }), 80);
    expect(text).toContain('\n   1  a-source-0\n      a-source-1\n');
    expect(text).toContain('\n   2  a-target-0\n        <-  a-source-0, a-source-1\n');
    expectToFit(text, 80);
  });

  test('any graph fits its width, and its lines lead from each task to just those that wait for it', () => {
    fc.assert(
      fc.property(anyGraph(), fc.integer({ min: 40, max: 120 }), (drawable, width) => {
        const text = toAscii(createDrawing(drawable), width);
        expectToFit(text, width);
        const expected = drawable.edges.map(({ from, to }) => `${from} -> ${to}`);
        const isListed = text.includes('\n   1  ');
        const found = isListed ? listedEdges(text) : tracedEdges(text.split('\n'));
        expect(found.toSorted(), text).toEqual(expected.toSorted());
      }),
      { numRuns: 300 },
    );
  });
});

describe('what is more than a task', () => {
  const list = task({
    name: 'list',
    provides: { files: z.array(z.string()) },
    execute: () => ({ files: [] }),
  });
  const scan = task({ name: 'scan', requires: { file: z.string() }, execute() {} });
  const shapes = flow({
    name: 'shapes',
    body: linear(
      'main',
      list,
      map('scan-all', { over: 'files', as: 'file', body: linear('one', scan, step('sum')) }),
      choose('any', {
        case: () => 'yes' as const,
        cases: { yes: step('a') },
        otherwise: step('b'),
      }),
    ),
  });
  const drawing = createDrawing({ name: 'shapes', ...shapes.graph });

  test('says so, and the link of a case says which', () => {
    const text = toDot(drawing);
    expect(text).toContain('"any" [label="any (choice)"');
    expect(text).toContain('"any" -> "a" [label="yes"];');
    expect(text).toContain('"any" -> "b" [label="otherwise"];');
    expect(toAscii(drawing, 80)).toContain('| scan-all (map) |');
  });

  test('what follows a map waits for a point that all of its items lead to', () => {
    const dot = toDot(drawing);
    expect(dot).toContain('"sum" -> "[all items of scan-all]";');
    expect(dot).toContain('"[all items of scan-all]" -> "any";');
    expect(dot).not.toContain('"scan-all" -> "any"');
    expect(toAscii(drawing, 80)).toMatch(
      /\| scan \(each item\) \|\n.*\n +v\n.*\n +\| sum \(each item\) \|\n.*\n +v\n +o\n +v\n/,
    );
    const last = flow({
      name: 'last',
      body: linear('main', list, map('all', { over: 'files', as: 'file', body: scan })),
    });
    expect(toDot(createDrawing({ name: 'last', ...last.graph }))).not.toContain('all items');
  });

  test('of what a map does, a job says how many items are in which state', () => {
    const done = { ...pendingAtom('scan-all'), state: 'success' as const };
    const job = jobWith({ list: 'success', 'scan[0]': 'success', 'scan[1]': 'failure' });
    const textWith = (count: number): string => {
      const atoms = [...job.atoms, { ...done, result: encodeJson({ count }) }];
      return toAscii(createDrawing({ name: 'shapes', ...shapes.graph }, { ...job, atoms }), 80);
    };
    expect(textWith(4)).toContain('| scan (each item)  1 success, 2 pending, 1 failure |');
    expect(textWith(4)).toContain('| sum (each item)  4 pending |');
    expect(textWith(0)).toContain('| sum (each item)  no items |');
    expect(toMermaid(createDrawing({ name: 'shapes', ...shapes.graph }, job))).toContain(
      '["scan<br/>1 success, 1 failure"]:::failure',
    );
  });

  test('of a wait, a job says what for', () => {
    const waits = flow({
      name: 'waits',
      body: linear('main', waitFor('approval', { event: 'approve' }), sleep('rest', { ms: 1 })),
    });
    const atoms = jobWith({ approval: 'running', rest: 'running' }).atoms.map((atom) => ({
      ...atom,
      ...(atom.name === 'rest' ? { nextAtUnixMs: Date.UTC(2027, 0, 1, 12) } : {}),
    }));
    const drawn = createDrawing({ name: 'waits', ...waits.graph }, { title: 'job 1', atoms });
    const text = toAscii(drawn, 80);
    expect(text).toContain('| approval (event)  waiting for signal approve |');
    expect(text).toContain('| rest (sleep)  sleeping until 2027-01-01T12:00:00Z |');
    expect(toDot(drawn)).toContain('class="task waiting"');
    const over = { title: 'job 1', atoms, isOver: true };
    expect(toAscii(createDrawing({ name: 'waits', ...waits.graph }, over), 80)).toContain(
      '| approval (event)  interrupted |',
    );
  });

  test('what a map does for each item stands in a group below it', () => {
    expect(toMermaid(drawing)).toContain(
      'subgraph g3["each item"]\n      t2["scan"]\n      t3["sum"]\n    end',
    );
    expect(toMermaid(drawing)).toContain('  t1 --> t2\n');
  });

  test('a flow without tasks says why', () => {
    const text = toAscii(createDrawing({ name: 'code', nodes: [], edges: [] }), 80);
    expect(text).toBe('flow code\n\nIts steps show only as it runs.');
  });
});

describe('mermaid', () => {
  test('patterns are subgraphs, values are labels, and states are text and class', () => {
    const text = toMermaid(createDrawing(BUILD, jobWith({ fetch: 'success', lint: 'failure' })));
    expect(text).toBe(`---
title: "job 1 running"
---
flowchart TD
  t0["fetch<br/>success"]:::success
  t3["report<br/>pending"]:::pending
  subgraph g2["checks"]
    t1["lint<br/>failure"]:::failure
    t2["test<br/>pending"]:::pending
  end
  t0 -->|"commit"| t1
  t0 --> t2
  t0 -->|"commit"| t3
  t1 --> t3
  t2 --> t3
  classDef success fill:#d9f2dc,stroke:#2c7a36,color:#1b1b1b
  classDef failure fill:#fbd7d5,stroke:#b3261e,color:#1b1b1b
  classDef pending fill:#f4f4f4,stroke:#8a8a8a,color:#1b1b1b`);
  });

  test('a join is a small point', () => {
    expect(toMermaid(createDrawing(JOINED))).toContain('j0((" ")):::join\n');
  });

  test('nothing in a name is taken for more than a name', () => {
    const text = toMermaid(createDrawing(NASTY));
    expect(text).toContain('["a#34;#93;--#62;b#35;#59;"]');
    expect(text).not.toMatch(/\]-->|<script/);
  });
});

describe('dot and svg', () => {
  test('patterns are clusters, values are labels, and states are text, colour and class', () => {
    const text = toDot(createDrawing(BUILD, jobWith({ fetch: 'success' })));
    expect(text).toContain('subgraph "cluster_g2" {');
    expect(text).toContain('graph [label="checks", ');
    expect(text).toContain('"fetch" -> "lint" [label="commit"];');
    expect(text).toContain('"lint" -> "report";');
    expect(text).toMatch(
      /"fetch" \[label="fetch\\nsuccess", fillcolor="#d9f2dc", .*class="task success"\]/,
    );
    expect(toDot(createDrawing(JOINED))).toContain('"[j]" [shape=point');
  });

  test('a picture has every task, state and value in it', async () => {
    const svg = await toSvg(createDrawing(BUILD, jobWith({ fetch: 'success' })));
    expect(svg).toMatch(/<\/svg>$/);
    for (const text of ['fetch', 'success', 'pending', 'commit', 'checks', 'job 1 running']) {
      expect(svg).toContain(`>${text}</text>`);
    }
    expect(svg).toContain('class="node task success"');
  });

  test('each name fits in its box, in any font that stands in for the one it was laid out with', async () => {
    const name = 'make-an-index-of-every-picture-that-was-stored';
    const svg = await toSvg(createDrawing({ name: 'f', nodes: [{ name, path: [] }], edges: [] }));
    const box = /<path [^>]*d="([^"]*)"/.exec(svg)?.[1] ?? '';
    const columns = [...box.matchAll(/(-?[\d.]+),/g)].map(([, column]) => Number(column));
    const width = Math.max(...columns) - Math.min(...columns);
    // The letters of a monospaced font are 0.6 of its size wide, a little more in the widest.
    expect(width).toBeGreaterThan(name.length * 11 * 0.602);
    expect(svg).toMatch(/font-family="[^"]*monospace"/);
    expect(svg).not.toContain('Courier');
  });

  test('nothing in a name is taken for more than a name', async () => {
    const svg = await toSvg(createDrawing(NASTY));
    expect(svg).toContain('a&quot;]&#45;&#45;&gt;b#;');
    expect(svg).not.toContain('<script');
  });

  test('a flow too large for a picture is refused with what to do', async () => {
    const nodes = Array.from({ length: SVG_SIZE_MAX + 1 }, (_, number) => ({
      name: `t${number}`,
      path: ['all'],
    }));
    await expect(toSvg(createDrawing({ name: 'huge', nodes, edges: [] }))).rejects.toThrow(
      /--format: flow huge has 2001 tasks and edges.*--format dot/,
    );
  });
});

const JOINED: DrawableFlow = {
  name: 'joined',
  nodes: [
    { name: 'a', path: ['all'] },
    { name: 'b', path: ['all'] },
  ],
  edges: [
    { from: 'a', to: '[j]', values: [] },
    { from: '[j]', to: 'b', values: [] },
  ],
};

// Flows refuse such names; what a server answers may hold anything.
const NASTY: DrawableFlow = {
  name: 'x"\\',
  nodes: [
    { name: 'a"]-->b#;', path: ['all', '</style>\\'] },
    { name: '<script>\u001B[2J', path: ['all'] },
  ],
  edges: [{ from: 'a"]-->b#;', to: '<script>\u001B[2J', values: ['v|"'] }],
};

function expectToFit(text: string, width: number): void {
  for (const line of text.split('\n')) expect(line.length, text).toBeLessThanOrEqual(width);
}

function anyGraph(): fc.Arbitrary<DrawableFlow> {
  const waits = fc.array(fc.array(fc.nat(30), { maxLength: 3 }), { minLength: 1, maxLength: 12 });
  return waits.map((each) => ({
    name: 'any',
    nodes: each.map((_, number) => ({ name: `task${number}`, path: ['all'] })),
    edges: each.flatMap((from, number) =>
      [...new Set(from.map((other) => (number === 0 ? -1 : other % number)))]
        .filter((other) => other >= 0)
        .map((other) => ({ from: `task${other}`, to: `task${number}`, values: [] })),
    ),
  }));
}

function listedEdges(text: string): string[] {
  const edges: string[] = [];
  let task = '';
  for (const line of text.split('\n').slice(2)) {
    const name = /^ {2,5}\d* {2,6}(task\d+)$/.exec(line)?.[1];
    if (name !== undefined) task = name;
    else for (const [from] of line.matchAll(/task\d+/g)) edges.push(`${from} -> ${task}`);
  }
  return edges;
}

/** The edges as somebody reads them who follows the lines downwards. */
function tracedEdges(rows: readonly string[]): string[] {
  const at = (row: number, column: number): string => rows[row]?.[column] ?? ' ';
  const boxes = findBoxes(rows);
  const targetsBelow = (row: number, column: number): readonly string[] => {
    const char = at(row, column);
    const box = boxes.find(
      ({ top, left, right }) => top === row && left < column && column < right,
    );
    if (box) return box.names;
    if (char === '|' || char === 'v') return targetsBelow(row + 1, column);
    if (char !== '+') return [];
    return trackAt(row, column).flatMap((each) =>
      '|v'.includes(at(row + 1, each)) ? targetsBelow(row + 1, each) : [],
    );
  };
  /** The columns where the line through this place is joined by others. */
  const trackAt = (row: number, column: number): readonly number[] => {
    let from = column;
    while ('-+|'.includes(at(row, from - 1)) && isLine(row, from - 1)) from -= 1;
    const columns: number[] = [];
    for (let each = from; isLine(row, each); each += 1)
      if (at(row, each) === '+') columns.push(each);
    return columns;
  };
  /** A line that is crossed goes on behind what crosses it. */
  const isLine = (row: number, column: number): boolean => {
    const char = at(row, column);
    if (char === '|')
      return '-|+'.includes(at(row, column - 1)) && '-|+'.includes(at(row, column + 1));
    return char === '-' || char === '+';
  };
  return boxes.flatMap(({ names, bottom, left, right }) => {
    const columns = Array.from({ length: right - left - 1 }, (_, offset) => left + 1 + offset);
    const targets = columns
      .filter((column) => '|v'.includes(at(bottom + 1, column)))
      .flatMap((column) => targetsBelow(bottom + 1, column));
    return names.flatMap((from) => targets.map((to) => `${from} -> ${to}`));
  });
}

interface Box {
  readonly names: readonly string[];
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

function findBoxes(rows: readonly string[]): readonly Box[] {
  return rows.flatMap((row, top) =>
    [...row.matchAll(/\+-+\+/g)].flatMap((border): readonly Box[] => {
      const left = border.index;
      const right = left + border[0].length - 1;
      const inner: string[] = [];
      let bottom = top + 1;
      while (/^\| .* \|$/.test(rows[bottom]?.slice(left, right + 1) ?? '')) {
        inner.push(rows[bottom]?.slice(left + 1, right) ?? '');
        bottom += 1;
      }
      const names = [...inner.join(' ').matchAll(/task\d+/g)].map(([name]) => name);
      return names.length > 0 ? [{ names, top, bottom, left, right }] : [];
    }),
  );
}
