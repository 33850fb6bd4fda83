// npm run simulate -- [--minutes M | --seeds A-B | --seed N] [--first] [--plant BUG] [--json]
//
// Runs one simulated world after the other, each from a seed of its own, and says what broke. With
// `--seed`, runs that one, prints its history, and when a promise breaks looks for a smaller world in
// which it breaks too. `--plant` breaks the board on purpose. Exit status 1 when a promise broke.
import { parseArgs } from 'node:util';
import { PLANTED_BUGS, tamperOf } from './planted-bugs.ts';
import { outcomeOf, runSeed } from './seeded-run.ts';
import { type RunReport, runSimulation } from './simulated-run.ts';
import { simulateSeeds } from './simulation-batch.ts';
import { type PlanOutcome, runPlanOf, type SimulationPlan } from './simulation-plan.ts';
import { SimulationSummary } from './simulation-summary.ts';

const USAGE = `usage: npm run simulate -- [--minutes M | --seeds A-B | --seed N] [--first] [--plant BUG] [--json]
  --minutes M   run for so long, from a seed that the clock chooses (default: 1)
  --seeds A-B   run these seeds
  --seed N      run this one, and print what happens in it
  --first       stop at the first seed that breaks a promise
  --plant BUG   break the board on purpose: ${Object.keys(PLANTED_BUGS).join(', ')}
  --json        one line of JSON at the end instead of a table`;

/** How long a smaller world is looked for, in milliseconds. */
const SHRINK_MS = 60_000;
/** How often a long run says how far it is, in milliseconds. */
const PROGRESS_MS = 10_000;

interface Wanted {
  /** The bug to plant. */
  readonly plant: string | undefined;
  readonly isJson: boolean;
  readonly stopsAtFirst: boolean;
  readonly work:
    | { readonly kind: 'replay'; readonly seed: number }
    | { readonly kind: 'seeds'; readonly first: number; readonly last: number }
    | { readonly kind: 'minutes'; readonly first: number; readonly minutes: number };
}

async function main(wanted: Wanted): Promise<void> {
  const { work } = wanted;
  if (work.kind === 'replay') return await replay(work.seed, wanted);
  const summary = new SimulationSummary();
  const startedMs = performance.now();
  const endMs =
    work.kind === 'minutes' ? startedMs + work.minutes * 60_000 : Number.POSITIVE_INFINITY;
  const last = work.kind === 'seeds' ? work.last : Number.POSITIVE_INFINITY;
  if (!wanted.isJson) console.log(`from seed ${work.first} on`);
  let toldMs = startedMs;
  for await (const report of simulateSeeds({ first: work.first, last, plant: wanted.plant })) {
    summary.add(report);
    if (!wanted.isJson && report.violations.length > 0) tellViolations(report);
    if (wanted.stopsAtFirst && summary.brokenSeeds.length > 0) break;
    if (performance.now() >= endMs) break;
    if (wanted.isJson || performance.now() - toldMs < PROGRESS_MS) continue;
    toldMs = performance.now();
    console.log(summary.progress(toldMs - startedMs));
  }
  console.log(
    wanted.isJson ? JSON.stringify(summary.toJson()) : summary.table(performance.now() - startedMs),
  );
  if (summary.brokenSeeds.length > 0) process.exitCode = 1;
}

/** Prints the history of one world; of the smallest that breaks too, when it breaks a promise. */
async function replay(seed: number, { plant }: Wanted): Promise<void> {
  const tamper = tamperOf(plant);
  const print = (line: string): void => console.log(line);
  const report = await runSeed(seed, { tamper, print });
  console.log(`history ${report.digest}`);
  if (report.violations.length === 0) return console.log(`seed ${seed} held every promise`);
  tellViolations(report);
  process.exitCode = 1;
  let smallest: SimulationPlan | undefined;
  const run = async (plan: SimulationPlan): Promise<PlanOutcome> => {
    const outcome = outcomeOf(await runSimulation({ seed, plan, tamper }));
    if (outcome === 'broken') smallest = plan;
    return outcome;
  };
  console.log(`looking for a smaller world, for up to ${SHRINK_MS / 1000} s`);
  await runPlanOf(seed, { shrinkMs: SHRINK_MS, run });
  if (!smallest) return;
  console.log(`the smallest world found:\n${JSON.stringify(smallest, null, 2)}\nand its history:`);
  tellViolations(await runSimulation({ seed, plan: smallest, tamper, print }));
}

function tellViolations({ seed, violations }: RunReport): void {
  console.log(`seed ${seed} broke a promise; npm run simulate -- --seed ${seed} shows how`);
  for (const { promise, text, atMs } of violations) {
    console.log(`  ${promise} at ${Math.round(atMs)} ms: ${text}`);
  }
}

function readOptions(): Wanted | undefined {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string' },
      seeds: { type: 'string' },
      seed: { type: 'string' },
      plant: { type: 'string' },
      first: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const [first, last] = (values.seeds ?? '').split('-').map(Number);
  const base = {
    plant: values.plant,
    isJson: values.json,
    stopsAtFirst: values.first,
  };
  if (values.plant !== undefined && !(values.plant in PLANTED_BUGS)) return undefined;
  if (values.seed !== undefined) {
    const seed = Number(values.seed);
    return Number.isInteger(seed) ? { ...base, work: { kind: 'replay', seed } } : undefined;
  }
  if (values.seeds !== undefined) {
    const isRange = Number.isInteger(first) && Number.isInteger(last);
    if (!isRange || first === undefined || last === undefined) return undefined;
    return { ...base, work: { kind: 'seeds', first, last } };
  }
  const minutes = Number(values.minutes ?? 1);
  if (!(minutes > 0)) return undefined;
  // Another run looks at other worlds; which ones is printed.
  const chosen = Math.floor(Date.now() / 1000) % 2 ** 31;
  return { ...base, work: { kind: 'minutes', first: chosen, minutes } };
}

const wanted = readOptions();
if (wanted) await main(wanted);
else {
  console.error(USAGE);
  process.exitCode = 2;
}
