// The report of a campaign as text: the table, and the verdict as its last line.
import Table from 'cli-table3';
import type { CampaignReport, TakeoverFigures } from './tally.ts';

const PLAIN = { style: { head: [], border: [], compact: true } };

/** Several lines; the last one says how many violations there are. */
export function formatReport(report: CampaignReport): string {
  const lines = [
    faultTable(report).toString(),
    sumTable(report).toString(),
    takeoverTable(report.takeovers).toString(),
    ...report.missing.map((what) => `not made here: ${what}`),
    ...report.violations.map(({ kind, what }) => `violation: ${kind}: ${what}`),
    verdict(report),
  ];
  return lines.join('\n');
}

function verdict({ store, seed, seconds, violations, rounds, jobs }: CampaignReport): string {
  const ran = `${store}, seed ${seed}, ${seconds} s, ${rounds} rounds, ${jobs} jobs`;
  return `chaos: ${ran}: ${violations.length} violations`;
}

function faultTable({ faults }: CampaignReport): Table.Table {
  const table = new Table({ ...PLAIN, head: ['fault', 'times'] });
  for (const [kind, times] of Object.entries(faults)) table.push([kind, times]);
  table.push(['all', Object.values(faults).reduce((sum, times) => sum + times, 0)]);
  return table;
}

function sumTable(report: CampaignReport): Table.Table {
  const table = new Table({ ...PLAIN, head: ['', ''] });
  table.push(
    ['rounds', report.rounds],
    ['jobs acknowledged', `${report.jobs} (${listed(report.jobsByState)})`],
    ['task jobs', report.taskJobs],
    ['posts, repeated ones too', report.posts],
    ['cancels, revives', `${report.cancels}, ${report.revives}`],
    ['tasks committed', report.tasks],
    ['tasks repeated', report.repeatedTasks],
    ['attempts lost', report.lostAttempts],
    ['zombie writes refused by the ledger', report.refusedZombieWrites],
    ['attempts fenced off', report.fencedAttempts],
    ['violations', report.violations.length],
    ['takeovers not judged', listed(report.excludedTakeovers)],
    ['the longest of them, ms', Math.round(report.longestExcludedMs)],
  );
  return table;
}

function takeoverTable(takeovers: readonly TakeoverFigures[]): Table.Table {
  const head = ['takeover', 'jobs', 'p50 ms', 'p99 ms', 'max ms', 'bound ms'];
  const table = new Table({ ...PLAIN, head });
  for (const one of takeovers) {
    table.push([one.class, one.judged, one.p50Ms, one.p99Ms, one.maxMs, one.boundMs]);
  }
  return table;
}

function listed(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, number]) => `${number} ${name}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}
