// Judges a history: every way in which it breaks a promise, by name. It reads what was seen from outside
// (producers, the outside ledger, the workers' own reports of commits) and the board as it is after
// everything has healed. checker.test.ts plants one violation of each kind and sees it found.
import { isFinal, type JobState } from '@holdfast/core';
import { FLOW_FACTS, fenceScope, isRemote } from './flow-facts.ts';
import type { ControlRecord, History, JobObservation, LedgerEntry, PostRecord } from './history.ts';
import { measureTakeovers } from './takeovers.ts';

/** Every promise that the checker looks after. */
export const VIOLATION_KINDS = [
  /** G1: a job whose post was acknowledged is not on the board. */
  'acknowledged job lost',
  /** G1: a job is not final although everything has healed. */
  'job not finished',
  /** G6: two jobs under one idempotency key. */
  'two jobs for one key',
  /** A job that was final has another state later, without a revive. */
  'final state changed',
  /** More than one attempt saw the job's end committed. */
  'job ended twice',
  /** A state that neither its flow nor an operator accounts for; an acknowledged cancel that was not kept. */
  'wrong outcome',
  /** A job succeeded, and one of its tasks never had its effect. */
  'success without effect',
  /** G3: the success of one try was committed twice, or that of a further try though none was reverted. */
  'task committed twice',
  /** G3: a task was started by a newer attempt than the one that committed it, or again without a revert. */
  'committed task executed again',
  /** G2: the ledger took an entry under a fence although it had seen a newer one. */
  'zombie write accepted',
  /** G4: of two attempts the later one has the lower fence, or one attempt has two. */
  'fence out of order',
  /** G4: one try had two keys, or two tries had one. */
  'unstable idempotency key',
  /** G5: with capacity free, a dead worker's job stood still for too long. */
  'slow takeover',
  /** A claim, a lock or an index entry that nobody has any more. */
  'left behind',
  /** G7: what the doctor found. */
  'records disagree',
  /** A server or a worker ended by itself, whatever the store did. */
  'process ended',
] as const;

export type ViolationKind = (typeof VIOLATION_KINDS)[number];

/** One broken promise. */
export interface Violation {
  readonly kind: ViolationKind;
  readonly what: string;
}

/** All that is wrong with a history. */
export function checkHistory(history: History): readonly Violation[] {
  return [
    ...checkPosts(history),
    ...checkOutcomes(history),
    ...checkEnds(history),
    ...checkCommits(history),
    ...checkLedger(history),
    ...checkTakeovers(history),
    ...history.undrained.map((what) => violation('job not finished', what)),
    ...history.leftBehind.map((what) => violation('left behind', what)),
    ...history.ended.map((what) => violation('process ended', what)),
    ...history.disagreements.map((what) => violation('records disagree', what)),
  ];
}

/** What a job was after one round and isn't any more; nobody touched it since. */
export function checkLater(
  jobs: readonly JobObservation[],
  later: readonly JobObservation[],
): readonly Violation[] {
  const states = new Map(later.map(({ jobId, state }) => [jobId, state]));
  return jobs.flatMap(({ jobId, state }) => {
    const now = states.get(jobId);
    if (now === state || !isFinal(state)) return [];
    const what = `${jobId} was ${state} and is ${now ?? 'gone'}`;
    return [violation('final state changed', what)];
  });
}

function violation(kind: ViolationKind, what: string): Violation {
  return { kind, what };
}

function checkPosts({ posts, jobs }: History): readonly Violation[] {
  const found: Violation[] = [];
  const present = new Set(jobs.map(({ jobId }) => jobId));
  const byKey = new Map<string, string>();
  for (const { key, jobId } of posts) {
    if (jobId === undefined) continue;
    if (!present.has(jobId)) {
      found.push(violation('acknowledged job lost', `${jobId} was acknowledged for key ${key}`));
    }
    const known = byKey.get(key) ?? jobId;
    if (known !== jobId) {
      found.push(violation('two jobs for one key', `${key} gave ${known} and then ${jobId}`));
    }
    byKey.set(key, known);
  }
  return found;
}

function checkOutcomes(history: History): readonly Violation[] {
  const posts = new Map(history.posts.map((post) => [post.jobId, post]));
  const controls = Map.groupBy(history.controls, ({ jobId }) => jobId);
  const effects = new Set(
    history.ledger
      .filter(({ what, verdict }) => what === 'effect' && verdict === 'accepted')
      .map(({ jobId, task }) => `${jobId}/${task}`),
  );
  return history.jobs.flatMap((job) => [
    ...checkOutcome(job, posts.get(job.jobId), controls.get(job.jobId) ?? []),
    ...checkEffects(job, posts.get(job.jobId), effects),
  ]);
}

function checkOutcome(
  { jobId, state, taskJobs }: JobObservation,
  post: PostRecord | undefined,
  controls: readonly ControlRecord[],
): readonly Violation[] {
  if (!isFinal(state)) return [violation('job not finished', `${jobId} is ${state}`)];
  const running = taskJobs.find((taskJob) => !isFinal(taskJob.state));
  if (running) {
    const what = `${running.jobId}, a task job of ${jobId}, is ${running.state}`;
    return [violation('job not finished', what)];
  }
  const flow = FLOW_FACTS[post?.flow ?? ''];
  const allowed = new Set<JobState>(flow ? [flow.ends] : []);
  const cancels = controls.filter((one) => one.what === 'cancel' && one.outcome !== 'refused');
  const revives = controls.filter((one) => one.what === 'revive' && one.outcome !== 'refused');
  if (cancels.length > 0) allowed.add('cancelled');
  const lastReviveMs = Math.max(...revives.map(({ endedMs }) => endedMs));
  // Whatever was revived after it, or may have been, is judged by what came after that.
  const kept = cancels.some(
    ({ outcome, sentMs }) => outcome === 'acknowledged' && !(sentMs < lastReviveMs),
  );
  if (kept && state !== 'cancelled') {
    return [violation('wrong outcome', `${jobId} is ${state} after an acknowledged cancel`)];
  }
  if (allowed.has(state)) return [];
  return [violation('wrong outcome', `${jobId} of ${post?.flow} is ${state}`)];
}

function checkEffects(
  { jobId, state, tasks }: JobObservation,
  post: PostRecord | undefined,
  effects: ReadonlySet<string>,
): readonly Violation[] {
  if (state !== 'succeeded') return [];
  const names = FLOW_FACTS[post?.flow ?? '']?.tasks ?? [];
  return names.flatMap((task) => {
    if (tasks[task] !== 'success')
      return [violation('success without effect', `${jobId}/${task} is ${tasks[task]}`)];
    if (effects.has(`${jobId}/${task}`)) return [];
    return [violation('success without effect', `${jobId}/${task} had no effect`)];
  });
}

function checkEnds({ ends, controls }: History): readonly Violation[] {
  const found: Violation[] = [];
  const revivals = countRevivals(controls);
  const finals = ends.filter(({ outcome }) => isFinalOutcome(outcome));
  for (const [jobId, all] of Map.groupBy(finals, (end) => end.jobId)) {
    if (all.length <= 1 + (revivals.get(jobId) ?? 0)) continue;
    const told = all.map(({ attempt, outcome }) => `${outcome} by attempt ${attempt}`);
    found.push(violation('job ended twice', `${jobId}: ${told.join(', ')}`));
  }
  return found;
}

function isFinalOutcome(outcome: string): boolean {
  return outcome === 'succeeded' || outcome === 'failed' || outcome === 'cancelled';
}

/**
 * G3, try by try: no try is committed twice, and none is started by a newer attempt than the one that
 * has committed it. Another try of a committed task needs a revert of that task in between, of which
 * the ledger knows: in a round of a retry controller, or after the flow has failed.
 */
function checkCommits(history: History): readonly Violation[] {
  const found: Violation[] = [];
  const mayRepeat = new Set(
    history.posts.flatMap(({ flow, jobId }) =>
      (FLOW_FACTS[flow]?.reverted ?? []).map((task) => `${jobId}/${task}`),
    ),
  );
  const entries = Map.groupBy(history.ledger, nameOfTask);
  for (const [name, commits] of Map.groupBy(history.commits, nameOfTask)) {
    const calls = entries.get(name) ?? [];
    const reverts = new Set(
      calls.filter(({ what, verdict }) => what === 'revert' && verdict !== 'refused').map(keyOf),
    );
    const tries = new Set(commits.map((commit) => commit.try));
    if (commits.length > tries.size || tries.size > 1 + reverts.size) {
      const told = commits.map((commit) => `try ${commit.try} by attempt ${commit.attempt}`);
      found.push(violation('task committed twice', `${name}: ${told.join(', ')}`));
    }
    for (const commit of commits) {
      const again = findAgain(commit, { calls, mayRepeat: mayRepeat.has(name) });
      if (!again) continue;
      const what = `${name}, try ${again.try} by attempt ${again.attempt}`;
      const told = `${what}; try ${commit.try} was committed by attempt ${commit.attempt}`;
      found.push(violation('committed task executed again', told));
    }
  }
  return found;
}

/** A start that must not have followed this commit. */
function findAgain(
  commit: { readonly try: number; readonly attempt: number },
  { calls, mayRepeat }: { readonly calls: readonly LedgerEntry[]; readonly mayRepeat: boolean },
): LedgerEntry | undefined {
  const effectAt = calls.findLastIndex(
    (entry) => entry.what === 'effect' && entry.try === commit.try,
  );
  return calls.find((entry, at) => {
    if (entry.what !== 'start') return false;
    if (entry.try === commit.try) return entry.attempt > commit.attempt;
    if (entry.try < commit.try) return false;
    if (!mayRepeat) return true;
    const between = calls.slice(effectAt + 1, at);
    return !between.some(({ what }) => what === 'revert');
  });
}

function keyOf({ key }: LedgerEntry): string {
  return key;
}

function nameOfTask({ jobId, task }: { readonly jobId: string; readonly task: string }): string {
  return `${jobId}/${task}`;
}

function countRevivals(controls: readonly ControlRecord[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { what, outcome, jobId } of controls) {
    if (what === 'revive' && outcome !== 'refused') counts.set(jobId, (counts.get(jobId) ?? 0) + 1);
  }
  return counts;
}

function checkLedger({ ledger, controls }: History): readonly Violation[] {
  const touched = new Set(controls.map(({ jobId }) => jobId));
  const byScope = Map.groupBy(ledger, fenceScope);
  return [
    ...[...byScope].flatMap(([scope, entries]) => checkFences(scope, entries, touched)),
    ...[...Map.groupBy(ledger, ({ jobId }) => jobId)].flatMap(([jobId, entries]) =>
      checkKeys(jobId, entries),
    ),
  ];
}

function checkFences(
  scope: string,
  entries: readonly LedgerEntry[],
  /** Jobs that somebody has cancelled or revived. */
  touched: ReadonlySet<string>,
): readonly Violation[] {
  const found: Violation[] = [];
  let highest = 0n;
  const fences = new Map<number, bigint>();
  for (const { fence, verdict, attempt, task } of entries) {
    if (verdict !== 'refused' && fence < highest) {
      const told = `${scope}, ${task}: fence ${fence} after ${highest}`;
      found.push(violation('zombie write accepted', told));
    }
    if (fence > highest) highest = fence;
    const known = fences.get(attempt) ?? fence;
    // A task job that was cancelled may be followed by another for the same try, with attempts of its own.
    const mayBeOther = isRemote(task) && entries.some(({ jobId }) => touched.has(jobId));
    if (mayBeOther) continue;
    if (known !== fence) {
      const told = `${scope}: attempt ${attempt} has the fences ${known} and ${fence}`;
      found.push(violation('fence out of order', told));
    }
    fences.set(attempt, known);
  }
  const byAttempt = [...fences].toSorted(([a], [b]) => a - b);
  for (const [index, [attempt, fence]] of byAttempt.entries()) {
    const before = byAttempt[index - 1];
    if (!before || before[1] < fence) continue;
    const told = `${scope}: attempt ${attempt} has fence ${fence} after ${before[1]}`;
    found.push(violation('fence out of order', told));
  }
  return found;
}

function checkKeys(jobId: string, entries: readonly LedgerEntry[]): readonly Violation[] {
  const found = new Set<string>();
  const keys = new Map<string, string>();
  const tries = new Map<string, string>();
  for (const entry of entries) {
    const kind = entry.what === 'revert' ? 'revert' : 'execute';
    const name = `${jobId}/${entry.task}/${kind}/${entry.try}`;
    const known = keys.get(name) ?? entry.key;
    if (known !== entry.key) found.add(`${name} ran under ${known} and ${entry.key}`);
    keys.set(name, known);
    const other = tries.get(entry.key) ?? name;
    if (other !== name) found.add(`${entry.key} was the key of ${other} and ${name}`);
    tries.set(entry.key, other);
  }
  return [...found].map((what) => violation('unstable idempotency key', what));
}

function checkTakeovers(history: History): readonly Violation[] {
  return measureTakeovers(history)
    .filter(({ excluded, gapMs, boundMs }) => excluded === undefined && gapMs > boundMs)
    .map((gap) => {
      const took = `${Math.round(gap.gapMs)} ms, at most ${gap.boundMs} ms are promised`;
      const attempts = history.jobs.find(({ jobId }) => jobId === gap.jobId)?.attempts;
      const told = `attempt ${gap.attempt} (${gap.class}): ${took}; ${JSON.stringify(attempts)}`;
      return violation('slow takeover', `${gap.jobId} ${told}`);
    });
}
