// Flows whose tasks run as jobs of their own, and how tests find those jobs.
import type { JobId, JobStatus, WorkerLabels } from '@holdfast/core';
import { type AnyFlow, flow, linear, type Task, task } from '@holdfast/flow';
import type { Step } from './step-flow.fixture.ts';
import type { TestFleet, TestWorker } from './test-fleet.fixture.ts';

type Runs = 'here' | 'anywhere' | { readonly labels: WorkerLabels };

export interface StepTaskOptions {
  readonly runs: Runs;
  readonly undo?: Step | undefined;
  readonly attempts?: number | undefined;
  readonly startTimeoutMs?: number | undefined;
}

export function stepTask(
  name: string,
  what: Step,
  options: StepTaskOptions,
): Task<string, never, never> {
  const { runs, undo, attempts = 1, startTimeoutMs } = options;
  return task({
    name,
    runs,
    startTimeoutMs,
    retry: { attempts, backoff: { initialMs: 100, jitter: 0 } },
    execute: async (_values: object, context) => {
      what.calls.push(context);
      await what.act(context);
    },
    revert:
      undo &&
      (async (_values, context) => {
        undo.calls.push(context);
        await undo.act(context);
      }),
  });
}

/** A task that runs anywhere, and one after it that runs where its flow does. */
export function remoteFlow(elsewhere: Step, here: Step, version?: number): AnyFlow {
  return flow({
    name: 'f',
    version,
    body: linear(
      'main',
      stepTask('elsewhere', elsewhere, { runs: 'anywhere' }),
      stepTask('here', here, { runs: 'here' }),
    ),
  });
}

export const sleeps = (): Promise<never> => new Promise(() => undefined);

/** The only task job of the job's task. */
export async function taskJobOf(fleet: TestFleet, id: JobId, name = 'elsewhere'): Promise<JobId> {
  let found: JobId | undefined;
  await fleet.until(async () => {
    found = (await fleet.job(id)).atoms.find((atom) => atom.name === name)?.taskJob;
    return found !== undefined;
  });
  if (!found) throw new Error(`task ${name} has no task job`);
  return found;
}

export const workersOf = ({ attempts }: JobStatus): readonly string[] =>
  attempts.map(({ worker }) => worker);

/** The worker that holds the job. */
export function holderOf(workers: readonly TestWorker[], { phase }: JobStatus): TestWorker {
  const holder = workers.find(
    ({ worker }) => phase.kind === 'running' && worker.id === phase.worker,
  );
  if (!holder) throw new Error('nobody of these holds the job');
  return holder;
}
