// `npm test`: set-up, check, unit tests, system tests, timed tests. The last line counts all of them.
import { check } from './check.ts';
import { setUp } from './set-up.ts';
import { formatSeconds, runVitest, sum, type Tally } from './tally.ts';

async function main(): Promise<void> {
  const setUpTally = await suite('set-up', setUp);
  const tallies = [
    setUpTally,
    await suite('check', check),
    await suite('unit', () => runVitest('unit', show)),
    ...(setUpTally.failed > 0 ? [withoutStores()] : await withStores()),
  ];
  const { passed, failed } = sum(tallies);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
  console.log(`${passed} passed, ${failed} failed`);
}

async function suite(name: string, run: () => Promise<Tally>): Promise<Tally> {
  console.log(`\n== ${name} ${'='.repeat(75 - name.length)}`);
  const startedMs = performance.now();
  const tally = await run();
  const counts = `${tally.passed} passed, ${tally.failed} failed`;
  console.log(`== ${name}: ${counts}, ${formatSeconds(startedMs)}`);
  return tally;
}

async function withStores(): Promise<readonly Tally[]> {
  return [
    await suite('system', () => runVitest('system', show)),
    await suite('timed', () => runVitest('timed', show)),
  ];
}

/** Without their stores these tests would only repeat, many times over, what set-up has said. */
function withoutStores(): Tally {
  console.log('\n== system, timed: not run, because set-up failed; counted as one failure');
  return { passed: 0, failed: 1 };
}

function show(text: string): void {
  process.stdout.write(text);
}

await main();
