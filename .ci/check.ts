// `npm run check`: everything that can be said about the repository without running it.
import { runCommand } from './command.ts';
import { formatSeconds, runVitest, sum, type Tally } from './tally.ts';

interface StepResult extends Tally {
  readonly output: string;
}

interface Step {
  readonly name: string;
  /** What to do when it fails. */
  readonly advice: string;
  readonly run: () => Promise<StepResult>;
}

const STEPS: readonly Step[] = [
  commandStep('format', 'npm run format', ['biome', 'check', '--config-path=.biome.jsonc', '.']),
  commandStep('lint', 'fix what oxlint names', ['oxlint', '--type-aware']),
  commandStep('types', 'fix what tsc names', ['tsc', '-p', '.']),
  commandStep('generated', 'npm run generate', ['node', '.ci/generated.ts']),
  commandStep('unused', 'remove what nothing uses, or use it', [
    'knip',
    '--config=.knip.json',
    '--no-config-hints',
    '--no-progress',
  ]),
  { name: 'tidy', advice: 'test/tidy says what each rule wants', run: () => runVitest('tidy') },
];

/** Runs all steps side by side; a step is one test, the tidy tests count one by one. */
export async function check(): Promise<Tally> {
  return sum(await Promise.all(STEPS.map(runStep)));
}

async function runStep(step: Step): Promise<Tally> {
  const startedMs = performance.now();
  const { output, ...tally } = await step.run();
  const verdict = tally.failed === 0 ? 'ok  ' : 'FAIL';
  console.log(`${verdict}  ${step.name.padEnd(10)} ${formatSeconds(startedMs)}`);
  if (tally.failed > 0) console.log(`${output.trimEnd()}\n      → ${step.advice}`);
  return tally;
}

function commandStep(name: string, advice: string, command: readonly [string, ...string[]]): Step {
  const run = async (): Promise<StepResult> => {
    const { ok, output } = await runCommand(command, { log: name });
    return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, output };
  };
  return { name, advice, run };
}

if (import.meta.main) {
  const tally = await check();
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  process.exitCode = tally.failed > 0 ? 1 : 0;
}
