// npm run bench:flow -- [--json FILE]
//
// What the flow engine itself costs, without a store: no-op tasks, checkpoints into a map. Each shape
// at 100, 1,000 and 10,000 tasks; what a task costs should not depend on how many there are.
import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import {
  type AtomRecord,
  createSeededRandom,
  encodeJson,
  silentLogger,
  systemClock,
} from '@holdfast/core';
import {
  type AnyFlow,
  flow,
  graph,
  linear,
  map,
  runFlow,
  task,
  times,
  unordered,
  withRetry,
} from '@holdfast/flow';
import Table from 'cli-table3';
import { z } from 'zod';
import { percentile } from './figure.ts';

const SIZES = [100, 1000, 10_000];
/** The median of so many runs is printed. */
const RUNS = 5;

type Shape = (tasks: number) => { readonly flow: AnyFlow; readonly input: object };

const ONCE = { attempts: 1 };
const noop = (name: string) => task({ name, execute: () => undefined });
const noops = (tasks: number) => Array.from({ length: tasks }, (_, index) => noop(`t${index}`));

const SHAPES: Readonly<Record<string, Shape>> = {
  'in a row': (tasks) => ({
    flow: flow({ name: 'f', body: linear('main', ...noops(tasks)) }),
    input: {},
  }),
  'side by side': (tasks) => ({
    flow: flow({ name: 'f', body: unordered('main', ...noops(tasks)) }),
    input: {},
  }),
  // Ten layers, every task of one waits for every task of the one before.
  'in ten layers': (tasks) => {
    const all = noops(tasks);
    const width = tasks / 10;
    const layers = Array.from({ length: 10 }, (_, layer) =>
      unordered(`layer${layer}`, ...all.slice(layer * width, (layer + 1) * width)),
    );
    return { flow: flow({ name: 'f', body: linear('main', ...layers) }), input: {} };
  },
  // A binary tree, each task linked to its parent.
  'in a tree': (tasks) => {
    const all = noops(tasks);
    const links = all.flatMap((each, index) => {
      const parent = all[Math.floor((index - 1) / 2)];
      return parent && index > 0 ? [[parent, each] as const] : [];
    });
    return { flow: flow({ name: 'f', body: graph('main', { tasks: all, links }) }), input: {} };
  },
  'items of a map': (tasks) => ({
    flow: flow({
      name: 'f',
      input: z.object({ items: z.array(z.number()) }),
      body: map('each', { over: 'items', as: 'item', concurrency: 1000, body: noop('t') }),
      output: [],
    }),
    // One place is taken by the map itself.
    input: { items: Array.from({ length: tasks - 1 }, (_, index) => index) },
  }),
  // All of them run, are reverted, and run again.
  'in a row, retried once': (tasks) => {
    const last = task({
      name: 'last',
      retry: ONCE,
      execute: (_args, ctx) => {
        if (ctx.try === 1) throw new Error('once');
      },
    });
    const body = withRetry(times({ attempts: 2 }), linear('main', ...noops(tasks - 2), last));
    return { flow: flow({ name: 'f', body }), input: {} };
  },
  // Each item has a retry controller of its own, and a task that fails once: as many rounds as items.
  'items of a map, each retried once': (tasks) => {
    const once = task({
      name: 't',
      retry: ONCE,
      execute: (_args, ctx) => {
        if (ctx.try === 1) throw new Error('once');
      },
    });
    const items = Array.from({ length: Math.floor((tasks - 1) / 2) }, (_, index) => index);
    const body = map('each', {
      over: 'items',
      as: 'item',
      concurrency: 1000,
      body: withRetry(times({ attempts: 2 }), once),
    });
    const input = z.object({ items: z.array(z.number()) });
    return { flow: flow({ name: 'f', input, body, output: [] }), input: { items } };
  },
};

interface Row {
  readonly shape: string;
  readonly tasks: number;
  readonly compileMs: number;
  readonly runMs: number;
  readonly microsPerTask: number;
}

async function run(subject: { readonly flow: AnyFlow; readonly input: object }): Promise<void> {
  const records = new Map<string, AtomRecord>();
  const result = await runFlow({
    flow: subject.flow,
    input: encodeJson(subject.input),
    identity: { jobId: 'bench', attempt: 1, worker: 'bench', fence: 1n },
    atoms: [],
    checkpoint: async (atoms) => {
      for (const atom of atoms) records.set(atom.name, atom);
    },
    signal: new AbortController().signal,
    clock: systemClock,
    random: createSeededRandom(1),
    logger: silentLogger,
  });
  if (result.kind !== 'succeeded') throw new Error(`the flow ${result.kind}`);
}

async function measure(shape: string, create: Shape, tasks: number): Promise<Row> {
  const compiled: number[] = [];
  const ran: number[] = [];
  for (let turn = 0; turn < RUNS; turn += 1) {
    const startMs = performance.now();
    const subject = create(tasks);
    const compiledMs = performance.now();
    await run(subject);
    compiled.push(compiledMs - startMs);
    ran.push(performance.now() - compiledMs);
  }
  const runMs = percentile(ran, 0.5);
  const compileMs = percentile(compiled, 0.5);
  return { shape, tasks, compileMs, runMs, microsPerTask: (runMs * 1000) / tasks };
}

const { values: options } = parseArgs({ options: { json: { type: 'string' } } });
const rows: Row[] = [];
for (const [shape, create] of Object.entries(SHAPES)) {
  for (const tasks of SIZES) rows.push(await measure(shape, create, tasks));
}
const table = new Table({
  head: ['no-op tasks', 'tasks', 'compile, ms', 'run, ms', 'run, µs a task'],
  colAligns: ['left', 'right', 'right', 'right', 'right'],
  style: { head: [], border: [], compact: true },
});
for (const row of rows) {
  const cells = [row.compileMs, row.runMs, row.microsPerTask].map((value) => value.toFixed(1));
  table.push([row.shape, String(row.tasks), ...cells]);
}
const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
console.log(`${machine}, the median of ${RUNS} runs`);
console.log(table.toString());
if (options.json !== undefined) {
  const document = { machine, at: new Date().toISOString(), rows };
  await writeFile(options.json, `${JSON.stringify(document, null, 2)}\n`);
}
