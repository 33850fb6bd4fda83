import type { TaskState } from '@holdfast/core';
import { z } from 'zod';
import { type AnyFlow, flow } from './flow.ts';
import { EXACT, Job, type RunRequest } from './run-harness.fixture.ts';
import type { RunResult } from './run-options.ts';
import type { Item } from './wiring-type.ts';

class Death extends Error {}

/** Runs an attempt whose process dies after the first commit that leaves the job like that. */
export async function dieOnce(
  job: Job,
  isTime: (job: Job) => boolean,
  request: RunRequest = {},
): Promise<Job> {
  const death = new Death('the process dies');
  try {
    await job.run({
      ...request,
      afterCommit: () => {
        if (isTime(job)) throw death;
      },
    });
  } catch (error) {
    if (error === death) return job;
    throw error;
  }
  throw new Error(`it never came to that: ${JSON.stringify(job.states())}`);
}

/** The job as the next worker finds it, which has other code. */
export function redeployed(job: Job, flow: AnyFlow): Job {
  const next = new Job(flow);
  for (const [name, record] of job.records) next.records.set(name, record);
  next.attempt = job.attempt;
  return next;
}

interface Lists {
  names: string[];
  more: string[];
}

/** What the flows of these jobs take. */
export const NAMES: z.ZodType<Lists, { [Name in keyof Lists]?: Lists[Name] | undefined }> =
  z.object({
    names: z.array(z.string()).default([]),
    more: z.array(z.string()).default([]),
  });

// Bodies are built by each test, so their wiring is checked when the flow is made, not by the compiler.
export const flowOf = (body: Item): AnyFlow =>
  flow({ name: 'f', input: NAMES, retry: { attempts: 2, backoff: EXACT }, body: body as never });

/** The job of a flow with this body, at its first commit with these states. */
export async function begun(
  body: Item,
  states: Record<string, TaskState>,
  request?: RunRequest,
): Promise<Job> {
  const isTime = (job: Job): boolean =>
    Object.entries(states).every(([name, state]) => job.state(name) === state);
  return await dieOnce(new Job(flowOf(body)), isTime, request);
}

/** It goes on with this body, to where that ends. */
export async function goOn(
  job: Job,
  body: Item,
  request?: RunRequest,
): Promise<{ readonly result: RunResult; readonly job: Job }> {
  const next = redeployed(job, flowOf(body));
  const result = await next.run(request);
  return { result, job: next };
}
