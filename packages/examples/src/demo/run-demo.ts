// The main job, end to end, as one can watch it: a fleet of real processes, one of which is killed.
//
//   D1. Everything that is started here is stopped by its process id, however the demo ends.
//   D2. The verdict rests on what the workers logged, not on the store.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, createClient, type JobHandle } from '@holdfast/client';
import { isFinal, type JobStatus, sleep, systemClock } from '@holdfast/core';
import { OtlpReceiver } from '@holdfast/telemetry/testing';
import type { RepoCheckOutput } from '../repo-check/repo-check.ts';
import { repoCheck } from '../repo-check/repo-check.ts';
import { Assassin, type Kill } from './assassin.ts';
import { CONCURRENCY, startCluster, WORKERS } from './cluster.ts';
import type { DemoOptions } from './demo-options.ts';
import {
  type DemoResult,
  findTakeovers,
  formatLastLine,
  formatResult,
  isGood,
} from './demo-result.ts';
import { clearStore, storeOfRun } from './demo-store.ts';
import { drawTrace, findJobTrace, isWhole } from './job-trace.ts';
import { ProcessGroup } from './process-group.ts';
import { createProgressScreen, type ProgressScreen } from './progress-screen.ts';
import { lastCommits, type Revisions } from './revisions.ts';
import { Witness } from './witness.ts';

const JOBS = 24;
const TASKS = repoCheck.graph.nodes.length;
const RUN_TIMEOUT_MS = 90_000;
const LOOK_EVERY_MS = 100;
const TRACE_TIMEOUT_MS = 10_000;
const MAX_WIDTH = 100;

const OWN_REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));
const FLOWS = fileURLToPath(new URL('../index.ts', import.meta.url));

type Job = JobHandle<RepoCheckOutput>;

/** Everything that runs while the demo does. */
interface Stage {
  readonly client: Client;
  readonly processes: ProcessGroup;
  readonly receiver: OtlpReceiver;
  readonly witness: Witness;
  readonly assassin: Assassin;
  readonly screen: ProgressScreen;
  readonly signal: AbortSignal;
}

/** Runs the demo and resolves with its exit status; `signal` ends it early, in order. */
export async function runDemo(
  options: DemoOptions,
  { output, signal }: { readonly output: NodeJS.WriteStream; readonly signal: AbortSignal },
): Promise<number> {
  const repository = resolve(options.repository ?? OWN_REPOSITORY);
  const revisions = await lastCommits(repository, JOBS);
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-demo-'));
  const processes = new ProcessGroup();
  const receiver = new OtlpReceiver();
  const witness = new Witness();
  const assassin = new Assassin(witness, {
    jobs: JOBS,
    tasksPerJob: TASKS,
    placesLeft: (WORKERS - 1) * CONCURRENCY,
  });
  const screen = createProgressScreen(output, TASKS);
  const store = storeOfRun(options.store, folder);
  try {
    tellPlan(screen, { store: store.url, repository, revisions });
    await receiver.start();
    const { address } = await startCluster({
      processes,
      store: store.url,
      flows: FLOWS,
      // Soon enough that a process that is about to be killed has reported what it finished.
      telemetry: {
        ...receiver.environment(),
        OTEL_BSP_SCHEDULE_DELAY: '10',
        OTEL_METRICS_EXPORTER: 'none',
      },
      onTaskLine: (line) => {
        witness.record(line);
        if (line.kind === 'started') void assassin.consider(line.pid);
      },
      signal,
    });
    const client = createClient({ address });
    try {
      const stage = { client, processes, receiver, witness, assassin, screen, signal };
      return await play(stage, { repository, revisions, width: widthOf(output) });
    } finally {
      client.close();
      await processes.stop();
      await clearStore(store);
    }
  } finally {
    await processes.stop(); // D1
    await receiver.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Posts, watches, judges, tells. */
async function play(
  stage: Stage,
  input: { readonly repository: string; readonly revisions: Revisions; readonly width: number },
): Promise<number> {
  const { screen, witness, assassin } = stage;
  const jobs = await postAll(stage, input);
  const statuses = await watchAll(stage, { jobs, commits: input.revisions.commits });
  screen.finish();
  const { kill } = assassin;
  if (!kill) {
    screen.note('No worker held two jobs at once while the others had room, so none was killed.');
    return 1;
  }
  const result: DemoResult = {
    posted: jobs.length,
    succeeded: statuses.filter((status) => status.phase.kind === 'succeeded').length,
    lost: jobs.length - statuses.filter((status) => isFinal(status.phase.kind)).length,
    takeovers: findTakeovers(statuses, kill),
    testimony: witness.testify(), // D2
  };
  for (const line of ['', ...formatResult(result, kill)]) screen.note(line);
  const hasTrace = await tellTrace(stage, { kill, statuses, width: input.width });
  screen.note('');
  screen.note(formatLastLine(result));
  return isGood(result) && hasTrace ? 0 : 1;
}

function tellPlan(
  screen: ProgressScreen,
  plan: { readonly store: string; readonly repository: string; readonly revisions: Revisions },
): void {
  const { distinct } = plan.revisions;
  const commits =
    distinct === JOBS
      ? `the last ${JOBS} commits`
      : `its ${distinct === 1 ? 'one commit' : `${distinct} commits`}, repeated to make ${JOBS} jobs,`;
  screen.note(`repo-check over ${commits} of ${plan.repository}`);
  screen.note(`on ${plan.store.replace(/\/\/[^@/]*@/, '//…@')}, with ${WORKERS} workers`);
}

async function postAll(
  { client, screen }: Stage,
  input: { readonly repository: string; readonly revisions: Revisions },
): Promise<readonly Job[]> {
  const outcomes = await client.postMany<typeof repoCheck>(
    input.revisions.commits.map((revision, index) => ({
      flow: repoCheck.name,
      input: { repository: input.repository, revision },
      labels: { demo: `${index + 1}` },
    })),
  );
  const jobs = outcomes.map((outcome) => {
    if (outcome.kind === 'posted') return outcome.job;
    throw outcome.error;
  });
  screen.note(`posted ${jobs.length} jobs over gRPC\n`);
  return jobs;
}

/** Shows the jobs until all are final, or time is up; their last statuses, in the order of posting. */
async function watchAll(
  stage: Stage,
  { jobs, commits }: { readonly jobs: readonly Job[]; readonly commits: readonly string[] },
): Promise<readonly JobStatus[]> {
  const { client, processes, assassin, witness, screen, signal } = stage;
  const deadlineMs = systemClock.monotonicMs() + RUN_TIMEOUT_MS;
  let isKillTold = false;
  for (;;) {
    signal.throwIfAborted();
    const ended = processes.findEnded();
    if (ended !== undefined) throw new Error(ended);
    const statuses = new Map<string, JobStatus>();
    for await (const { status } of client.jobs({ pageSize: 1000, signal })) {
      statuses.set(status.id, status);
    }
    if (assassin.kill && !isKillTold) {
      isKillTold = true;
      screen.note(describeKill(assassin.kill));
    }
    const known = jobs.flatMap((job, index) => {
      const status = statuses.get(job.id);
      return status ? [{ status, number: index + 1, commit: commits[index] ?? '' }] : [];
    });
    screen.update(known.map((job) => ({ ...job, tasksDone: witness.committedOf(job.status.id) })));
    const isOver =
      known.length === jobs.length && known.every((job) => isFinal(job.status.phase.kind));
    if (isOver || systemClock.monotonicMs() > deadlineMs) return known.map((job) => job.status);
    await sleep(systemClock, LOOK_EVERY_MS, { signal });
  }
}

function describeKill({ pid, inFlight }: Kill): string {
  const jobs = new Set(inFlight.map((task) => task.jobId)).size;
  return `killed worker process ${pid} with ${jobs} jobs and ${inFlight.length} tasks in flight`;
}

/** Shows the trace of one job that survived; false when there is no whole one. */
async function tellTrace(
  { receiver, screen }: Stage,
  input: { readonly kill: Kill; readonly statuses: readonly JobStatus[]; readonly width: number },
): Promise<boolean> {
  const survivor = input.statuses.find(
    (status) => status.attempts.length > 1 && status.attempts[0]?.end === 'lost',
  );
  if (!survivor) {
    screen.note('\nNo job was taken over.');
    return false;
  }
  const spans = await receiver.waitFor(
    (received) => isWhole(findJobTrace(received, survivor.id), survivor.attempt),
    { timeoutMs: TRACE_TIMEOUT_MS },
  );
  const trace = findJobTrace(spans, survivor.id);
  screen.note(`\nTrace ${trace.post?.traceId ?? ''} of job ${survivor.id}`);
  for (const line of drawTrace(trace, input.kill, input.width)) screen.note(`  ${line}`);
  return true;
}

function widthOf(output: NodeJS.WriteStream): number {
  return Math.min(MAX_WIDTH, output.columns ?? 80) - 2;
}
