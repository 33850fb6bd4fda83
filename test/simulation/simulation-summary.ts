// What many simulated worlds came to, as a table and as JSON.
import Table from 'cli-table3';
import type { RunReport, TakeoverTime } from './simulated-run.ts';

/** The summary of a run, for programs. */
export interface SummaryJson {
  readonly seeds: number;
  readonly simulatedHours: number;
  readonly busyHours: number;
  readonly events: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly digests: Readonly<Record<string, string>>;
  /** For each seed that broke a promise: which ones. */
  readonly broken: Readonly<Record<string, readonly string[]>>;
}

const HOUR_MS = 3_600_000;

export class SimulationSummary {
  readonly brokenSeeds: number[] = [];
  readonly #counts = new Map<string, number>();
  readonly #digests = new Map<number, string>();
  readonly #broken = new Map<number, readonly string[]>();
  readonly #takeovers: TakeoverTime[] = [];
  #simulatedMs = 0;
  #busyMs = 0;
  #events = 0;

  add(report: RunReport): void {
    for (const [kind, count] of report.counts) {
      this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count);
    }
    this.#digests.set(report.seed, report.digest);
    this.#simulatedMs += report.simulatedMs;
    this.#busyMs += report.busyMs;
    this.#events += report.events;
    this.#takeovers.push(...report.takeovers);
    if (report.violations.length === 0) return;
    this.brokenSeeds.push(report.seed);
    const texts = report.violations.map(({ promise, text }) => `${promise}: ${text}`);
    this.#broken.set(report.seed, texts);
  }

  progress(elapsedMs: number): string {
    return (
      `${Math.round(elapsedMs / 1000)} s: ${this.#digests.size} seeds, ` +
      `${hours(this.#simulatedMs)} simulated hours, ${this.#counts.get('jobs') ?? 0} jobs, ` +
      `${this.brokenSeeds.length} seeds with violations`
    );
  }

  toJson(): SummaryJson {
    return {
      seeds: this.#digests.size,
      simulatedHours: this.#simulatedMs / HOUR_MS,
      busyHours: this.#busyMs / HOUR_MS,
      events: this.#events,
      counts: Object.fromEntries(this.#counts),
      digests: Object.fromEntries(this.#digests),
      broken: Object.fromEntries(this.#broken),
    };
  }

  table(elapsedMs: number): string {
    const table = new Table({
      head: ['', ''],
      style: { head: [], border: [] },
      colAligns: ['left', 'right'],
    });
    table.push(
      ['wall time, s', Math.round(elapsedMs / 1000)],
      ['seeds', this.#digests.size],
      ['simulated hours', hours(this.#simulatedMs)],
      ['of those with processes running', hours(this.#busyMs)],
      ['events', this.#events],
    );
    const kinds = [...this.#counts.keys()].toSorted(
      (a, b) => Number(isFault(a)) - Number(isFault(b)) || (a < b ? -1 : 1),
    );
    for (const kind of kinds) table.push([kind, this.#counts.get(kind) ?? 0]);
    for (const how of ['crash', 'expel', 'drain'] as const) table.push(this.#takeoverRow(how));
    table.push(['seeds with violations', this.brokenSeeds.length]);
    return table.toString();
  }

  #takeoverRow(how: TakeoverTime['how']): [string, string] {
    const times = this.#takeovers.filter((each) => each.how === how).map(({ ms }) => ms);
    const sorted = times.toSorted((a, b) => a - b);
    const at = (part: number): number =>
      Math.round(sorted[Math.floor((sorted.length - 1) * part)] ?? 0);
    return [
      `takeover after ${how}, ms: p50, p99, max of ${times.length}`,
      `${at(0.5)}, ${at(0.99)}, ${at(1)}`,
    ];
  }
}

function isFault(kind: string): boolean {
  return kind.startsWith('fault: ');
}

function hours(ms: number): string {
  return (ms / HOUR_MS).toFixed(ms < HOUR_MS ? 2 : 0);
}
