import { encodeJson, type Failure } from '@holdfast/core';
import type { AnyFlow } from './flow.ts';
import { EXACT, Job, type RunRequest } from './run-harness.fixture.ts';
import type { RunResult, Signal, SignalSource } from './run-options.ts';
import { workflow } from './workflow.ts';
import type { WorkflowContext } from './workflow-context.ts';

/** A durable function that takes nothing; its steps get two tries, a second apart. */
export function durable(run: (ctx: WorkflowContext) => unknown): AnyFlow {
  return workflow({ name: 'test', retry: { attempts: 2, backoff: EXACT } }, run);
}

/** A job of a {@link durable} function. */
export function jobOf(run: (ctx: WorkflowContext) => unknown): Job {
  return new Job(durable(run));
}

/** The same job, with other code, on a clock that starts again. */
export function redeploy(job: Job, run: (ctx: WorkflowContext) => unknown): Job {
  const next = jobOf(run);
  for (const [name, record] of job.records) next.records.set(name, record);
  next.attempt = job.attempt;
  return next;
}

/** What an operator's revival makes of the records. */
export function revive(job: Job): void {
  if (Object.values(job.states()).includes('reverting')) return;
  for (const [name, record] of job.records) {
    const { state, intention } = record;
    const isCause = state === 'failure' && intention === 'revert';
    if (state !== 'reverted' && state !== 'revertFailure' && !isCause) continue;
    job.records.set(name, {
      ...record,
      state: 'pending',
      intention: 'execute',
      forgivenTries: record.tries,
      forgivenRevertTries: record.revertTries,
      result: undefined,
      failure: undefined,
      revertFailure: undefined,
      nextAtUnixMs: undefined,
      progress: 0,
      progressMessage: undefined,
    });
  }
}

/** Signals that arrive when the test says so. */
export class Inbox {
  readonly #signals: Signal[] = [];
  readonly #listeners = new Set<() => void>();
  readonly source: SignalSource = {
    received: () => this.#signals,
    onArrival: (listener) => {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    },
  };

  send(name: string, value: unknown): void {
    const seq = this.#signals.length + 1;
    this.#signals.push({ seq, name, payload: encodeJson(value), atUnixMs: 0 });
    for (const listener of this.#listeners) listener();
  }

  /** How many runs listen. */
  get listeners(): number {
    return this.#listeners.size;
  }
}

/** Runs attempt after attempt; what a run waits for in time passes in between. */
export async function runToEnd(job: Job, request: RunRequest = {}): Promise<RunResult> {
  for (let attempts = 0; attempts < 50; attempts += 1) {
    const result = await job.run(request);
    if (result.kind !== 'waiting' || result.untilUnixMs === undefined) return result;
    await job.clock.advance(Math.max(0, result.untilUnixMs - job.clock.nowUnixMs()));
  }
  throw new Error('the job does not end');
}

/** Why a run failed. */
export function failureOf(result: RunResult): Failure {
  if (result.kind !== 'failed') throw new Error(`the run ${result.kind}`);
  return result.failure;
}

/** An attempt that dies after so many checkpoints. */
export async function crash(
  job: Job,
  afterCommits: number,
  request: RunRequest = {},
): Promise<void> {
  const death = new Error('the process dies');
  try {
    await job.run({
      ...request,
      afterCommit: (commit) => {
        if (commit >= afterCommits) throw death;
      },
    });
  } catch (error) {
    if (error === death) return;
    throw error;
  }
  throw new Error(`the run ended before its checkpoint ${afterCommits}`);
}
