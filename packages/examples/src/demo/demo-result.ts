// The verdict of the demo, and how it is told. Pure: everything comes from the witness, from the final
// states of the jobs, and from the moment of the kill.
import type { JobStatus } from '@holdfast/core';
import type { Kill } from './assassin.ts';
import { workerName } from './progress-screen.ts';
import type { Testimony } from './witness.ts';

/** A job of the killed worker, and when another one had it. */
export interface Takeover {
  readonly jobId: string;
  readonly from: string;
  readonly to: string;
  /** From the kill to the next claim, in milliseconds. */
  readonly gapMs: number;
}

export interface DemoResult {
  readonly posted: number;
  readonly succeeded: number;
  /** Jobs that were posted and did not reach a final state. */
  readonly lost: number;
  readonly takeovers: readonly Takeover[];
  readonly testimony: Testimony;
}

/** Which jobs changed hands because of the kill. */
export function findTakeovers(statuses: readonly JobStatus[], kill: Kill): readonly Takeover[] {
  return statuses.flatMap((status) =>
    status.attempts.flatMap((attempt, index) => {
      const next = status.attempts[index + 1];
      if (attempt.end !== 'lost' || !next) return [];
      return [
        {
          jobId: status.id,
          from: workerName(attempt.worker),
          to: workerName(next.worker),
          gapMs: next.claimedAtUnixMs - kill.atUnixMs,
        },
      ];
    }),
  );
}

/** True when nothing was lost, everything succeeded, and no committed task ran again. */
export function isGood({ posted, succeeded, lost, testimony }: DemoResult): boolean {
  return lost === 0 && succeeded === posted && testimony.broken.length === 0;
}

/** The tasks that ran more than once although they were not in flight at the kill; better be none. */
export function unexplainedRepeats(testimony: Testimony, kill: Kill): Testimony['repeated'] {
  const isKnown = (repeat: { readonly jobId: string; readonly task: string }): boolean =>
    kill.inFlight.some((each) => each.jobId === repeat.jobId && each.task === repeat.task);
  return testimony.repeated.filter((repeat) => !isKnown(repeat));
}

/** The takeovers and the counts, in lines. */
export function formatResult(result: DemoResult, kill: Kill): readonly string[] {
  const { takeovers, testimony } = result;
  const byTask = Map.groupBy(testimony.repeated, ({ task }) => task);
  const unexplained = unexplainedRepeats(testimony, kill).length;
  return [
    'Takeovers',
    ...takeovers.map(
      ({ jobId, from, to, gapMs }) => `  ${jobId}  ${from} → ${to}  after ${seconds(gapMs)} s`,
    ),
    '',
    `Tasks executed        ${testimony.tasks}, in ${testimony.executions} calls`,
    `Tasks executed twice  ${testimony.repeated.length}` +
      (unexplained === 0
        ? ', all of them in flight at the kill'
        : `, ${unexplained} not in flight`),
    ...[...byTask].map(([task, repeats]) => `  ${task} ${repeats.length}`),
    ...testimony.broken.map(
      ({ jobId, task }) => `  BROKEN: ${task} of ${jobId} ran after its commit`,
    ),
  ];
}

/** The last line of the demo. */
export function formatLastLine({
  posted,
  succeeded,
  lost,
  takeovers,
  testimony,
}: DemoResult): string {
  const slowest = Math.max(0, ...takeovers.map((takeover) => takeover.gapMs));
  return (
    `demo: ${posted} posted, ${succeeded} succeeded, ${lost} lost, ` +
    `${testimony.tasks} tasks, ${testimony.repeated.length} repeated, takeover ${seconds(slowest)}s`
  );
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}
