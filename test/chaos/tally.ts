// The sums of a campaign over its rounds: what the table shows. Rounds are added and forgotten, so that
// a campaign of hours needs no more memory than one round.
import type { Violation } from './checker.ts';
import type { History, TakeoverClass } from './history.ts';
import { type Exclusion, measureTakeovers } from './takeovers.ts';

/** How long takeovers of one class took, where G5's bound is judged. */
export interface TakeoverFigures {
  readonly class: TakeoverClass;
  readonly judged: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly boundMs: number;
}

/** What a campaign amounted to. */
export interface CampaignReport {
  readonly store: string;
  readonly seed: number;
  readonly seconds: number;
  readonly rounds: number;
  /** How often each kind of fault was brought about. */
  readonly faults: Readonly<Record<string, number>>;
  /** Faults that can't be made on this machine, with the reason. */
  readonly missing: readonly string[];
  /** Jobs whose post was acknowledged. */
  readonly jobs: number;
  /** Jobs that ran remote tasks of these. */
  readonly taskJobs: number;
  readonly jobsByState: Readonly<Record<string, number>>;
  readonly posts: number;
  readonly cancels: number;
  readonly revives: number;
  /** Tasks whose success was seen committed. */
  readonly tasks: number;
  /** Starts of a try that had been started before: what faults cost. */
  readonly repeatedTasks: number;
  readonly lostAttempts: number;
  /** Writes of superseded attempts that the ledger refused. */
  readonly refusedZombieWrites: number;
  /** Attempts that the board, or their own worker, kept from writing any more. */
  readonly fencedAttempts: number;
  readonly takeovers: readonly TakeoverFigures[];
  /** Takeovers that were measured and not judged, by reason. */
  readonly excludedTakeovers: Readonly<Record<string, number>>;
  /** The longest takeover that was not judged, in milliseconds. */
  readonly longestExcludedMs: number;
  readonly violations: readonly Violation[];
}

/** See the head of this file. */
export class Tally {
  readonly violations: Violation[] = [];
  readonly #faults = new Map<string, number>();
  readonly #states = new Map<string, number>();
  readonly #excluded = new Map<Exclusion, number>();
  readonly #gaps = new Map<TakeoverClass, { boundMs: number; gapsMs: number[] }>();
  readonly #sums = {
    rounds: 0,
    jobs: 0,
    taskJobs: 0,
    posts: 0,
    cancels: 0,
    revives: 0,
    tasks: 0,
    repeatedTasks: 0,
    lostAttempts: 0,
    refusedZombieWrites: 0,
    fencedAttempts: 0,
    longestExcludedMs: 0,
  };

  add(history: History, fencedAttempts: number): void {
    const sums = this.#sums;
    sums.rounds += 1;
    sums.jobs += history.jobs.length;
    sums.posts += history.posts.length;
    const done = history.controls.filter(({ outcome }) => outcome === 'acknowledged');
    sums.cancels += done.filter(({ what }) => what === 'cancel').length;
    sums.revives += done.filter(({ what }) => what === 'revive').length;
    sums.tasks += history.commits.length;
    sums.repeatedTasks += countRepeats(history);
    sums.refusedZombieWrites += history.ledger.filter((one) => one.verdict === 'refused').length;
    sums.fencedAttempts += fencedAttempts;
    for (const { state, attempts, taskJobs } of history.jobs) {
      count(this.#states, state);
      sums.taskJobs += taskJobs.length;
      for (const each of [attempts, ...taskJobs.map((taskJob) => taskJob.attempts)]) {
        sums.lostAttempts += each.filter(({ end }) => end === 'lost').length;
      }
    }
    for (const { kind } of history.faults) count(this.#faults, kind);
    this.#addTakeovers(history);
  }

  report(campaign: {
    readonly store: string;
    readonly seed: number;
    readonly seconds: number;
    readonly missing: readonly string[];
  }): CampaignReport {
    return {
      ...campaign,
      ...this.#sums,
      faults: Object.fromEntries([...this.#faults].toSorted(([a], [b]) => a.localeCompare(b))),
      jobsByState: Object.fromEntries(this.#states),
      takeovers: [...this.#gaps].map(([kind, { boundMs, gapsMs }]) =>
        figures(kind, boundMs, gapsMs),
      ),
      excludedTakeovers: Object.fromEntries(this.#excluded),
      violations: this.violations,
    };
  }

  #addTakeovers(history: History): void {
    for (const gap of measureTakeovers(history)) {
      if (gap.excluded !== undefined) {
        count(this.#excluded, gap.excluded);
        this.#sums.longestExcludedMs = Math.max(this.#sums.longestExcludedMs, gap.gapMs);
        continue;
      }
      const known = this.#gaps.get(gap.class) ?? { boundMs: gap.boundMs, gapsMs: [] };
      known.gapsMs.push(gap.gapMs);
      this.#gaps.set(gap.class, known);
    }
  }
}

function countRepeats({ ledger }: History): number {
  const seen = new Set<string>();
  let repeats = 0;
  for (const { what, key } of ledger) {
    if (what !== 'start') continue;
    if (seen.has(key)) repeats += 1;
    seen.add(key);
  }
  return repeats;
}

function figures(kind: TakeoverClass, boundMs: number, gapsMs: readonly number[]): TakeoverFigures {
  const sorted = gapsMs.toSorted((a, b) => a - b);
  const at = (part: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0);
  return {
    class: kind,
    judged: sorted.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
    boundMs,
  };
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
