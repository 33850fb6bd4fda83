import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LOGS, runCommand } from './command.ts';

/** What came of one suite or of one of its steps. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

/** The part of vitest's JSON report that is counted. */
interface VitestReport {
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

export function sum(tallies: readonly Tally[]): Tally {
  return {
    passed: tallies.reduce((total, tally) => total + tally.passed, 0),
    failed: tallies.reduce((total, tally) => total + tally.failed, 0),
  };
}

/** A duration for people: `0.4 s`. */
export function formatSeconds(fromMs: number): string {
  return `${((performance.now() - fromMs) / 1000).toFixed(1)} s`;
}

/** Runs one project of test/vitest.config.ts and counts its tests. */
export async function runVitest(
  project: 'tidy' | 'unit' | 'system' | 'timed',
  show?: (text: string) => void,
): Promise<Tally & { readonly output: string }> {
  const reportPath = join(LOGS, `${project}.json`);
  // A report of an earlier run must never be counted for this one.
  rmSync(reportPath, { force: true });
  const { ok, output } = await runCommand(
    [
      'vitest',
      'run',
      '--config=test/vitest.config.ts',
      `--project=${project}`,
      '--silent=passed-only',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${reportPath}`,
    ],
    { log: project, show },
  );
  return { ...countTests(reportPath, ok), output };
}

/**
 * A file that could not be loaded counts as one failed test, and so does a run that ended badly
 * though every test passed (an unhandled rejection), or in which nothing ran.
 */
function countTests(reportPath: string, ok: boolean): Tally {
  if (!existsSync(reportPath)) return { passed: 0, failed: 1 };
  const report = JSON.parse(readFileSync(reportPath, 'utf8')) as VitestReport;
  let passed = 0;
  let failed = 0;
  for (const file of report.testResults) {
    const failedHere = file.assertionResults.filter((test) => test.status === 'failed').length;
    passed += file.assertionResults.filter((test) => test.status === 'passed').length;
    failed += failedHere === 0 && file.status === 'failed' ? 1 : failedHere;
  }
  const isBadEnding = failed === 0 && (!ok || passed === 0);
  return { passed, failed: isBadEnding ? 1 : failed };
}
