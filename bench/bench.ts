// npm run bench -- [--store etcd|sqlite|zookeeper|all] [--backlog N] [--json FILE]
//
// Server, worker and producer are processes of their own on this machine, on a store that the bench
// starts for itself. Prints one table, with each figure beside the store's own limit in the same run,
// and the same as JSON.
import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { openBenchStore, type StoreName } from './bench-store.ts';
import type { Figure } from './figure.ts';
import { measureBacklog } from './measure-backlog.ts';
import { measureDrain } from './measure-drain.ts';
import { measureLatency } from './measure-latency.ts';
import { measurePosts } from './measure-posts.ts';
import { measureTakeover } from './measure-takeover.ts';

const { values: options } = parseArgs({
  options: {
    store: { type: 'string', default: 'all' },
    backlog: { type: 'string', default: '100000' },
    json: { type: 'string' },
  },
});
const backlog = Number(options.backlog);
const stores = {
  etcd: ['etcd'],
  sqlite: ['sqlite'],
  zookeeper: ['zookeeper'],
  all: ['etcd', 'sqlite', 'zookeeper'],
}[options.store];
if (!stores || !Number.isInteger(backlog) || backlog < 1000) {
  console.error(
    'usage: npm run bench -- [--store etcd|sqlite|zookeeper|all] [--backlog N (1000 or more)] [--json FILE]',
  );
  process.exit(2);
}

const results = [];
for (const name of stores as readonly StoreName[]) results.push(await benchStore(name)); // keys of the table above
const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
const document = { machine, at: new Date().toISOString(), results };
console.log(`\n${machine}`);
for (const result of results) console.log(`\n${formatResult(result)}`);
console.log(`\n${JSON.stringify(document)}`);
if (options.json !== undefined)
  await writeFile(options.json, `${JSON.stringify(document, null, 2)}\n`);

interface StoreResult {
  readonly store: string;
  readonly figures: readonly Figure[];
}

async function benchStore(name: StoreName): Promise<StoreResult> {
  await using store = await openBenchStore(name);
  const { raw } = store;
  const figures: Figure[] = [
    { name: 'raw: commits of 3 puts, one by one', value: raw.single, unit: '/s' },
    { name: 'raw: commits of 3 puts, 64 at once', value: raw.concurrent, unit: '/s' },
    { name: 'raw: commits of 3 puts, grouped by 32', value: raw.grouped, unit: '/s' },
  ];
  const steps = [
    () => measurePosts(store),
    () => measureDrain(store),
    () => measureLatency(store),
    () => measureTakeover(store),
    () => measureBacklog(store, backlog),
  ];
  for (const step of steps) {
    for (const figure of await step()) {
      figures.push(figure);
      console.error(`${name}: ${figure.name}: ${formatValue(figure)}`);
    }
  }
  return { store: store.description, figures };
}

function formatResult(result: StoreResult): string {
  const table = new Table({
    head: [result.store, 'figure', 'of the raw limit'],
    colAligns: ['left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const figure of result.figures) {
    const ratio = figure.ofRaw === undefined ? '' : `${(figure.ofRaw * 100).toFixed(0)} %`;
    table.push([figure.name, formatValue(figure), ratio]);
  }
  return table.toString();
}

function formatValue(figure: Figure): string {
  const digits = figure.value < 10 ? 2 : figure.value < 100 ? 1 : 0;
  const value = figure.value.toLocaleString('en', {
    maximumFractionDigits: digits,
    minimumFractionDigits: digits,
  });
  return `${value} ${figure.unit}`;
}
