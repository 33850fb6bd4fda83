// Flows whose tasks say when they were called and fail when told to, and changes of their jobs.
import type { ChangeRequest, ChangeResult } from '@holdfast/board';
import type { JobId, TaskChange } from '@holdfast/core';
import { type AnyFlow, flow, linear, map, type Task, task } from '@holdfast/flow';
import { z } from 'zod';
import type { TestFleet } from './test-fleet.fixture.ts';

/** What was called, in order: task, `~task` for a revert; with the key of the call. */
export interface Calls {
  readonly names: string[];
  readonly keys: string[];
}

/** What fails, by the names in {@link Calls}. */
type Failing = Set<string>;

export interface Bench {
  readonly calls: Calls;
  readonly failing: Failing;
  readonly call: (name: string, context: { readonly idempotencyKey: string }) => void;
}

/** `failing` fail. */
export function bench(...failing: readonly string[]): Bench {
  const calls: Calls = { names: [], keys: [] };
  const fails = new Set(failing);
  return {
    calls,
    failing: fails,
    call: (name, { idempotencyKey }) => {
      calls.names.push(name);
      calls.keys.push(idempotencyKey);
      if (fails.has(name)) throw new Error(`${name} fails`);
    },
  };
}

export const ONCE: { readonly attempts: number } = { attempts: 1 };

/** a gives 1, b gives twice that, c takes b's: none can be reverted but those in `reverts`. */
export function chain(on: Bench, reverts: readonly string[] = []): AnyFlow {
  const undo = (name: string) =>
    reverts.includes(name)
      ? {
          revert: (_values: object, context: { readonly idempotencyKey: string }) =>
            on.call(`~${name}`, context),
        }
      : {};
  return flow({
    name: 'chain',
    retry: ONCE,
    body: linear(
      'main',
      task({
        name: 'a',
        provides: { one: z.number() },
        execute: (_values: object, context) => {
          on.call('a', context);
          return { one: 1 };
        },
        ...undo('a'),
      }),
      task({
        name: 'b',
        requires: { one: z.number() },
        provides: { two: z.number() },
        execute: ({ one }, context) => {
          on.call('b', context);
          return { two: one * 2 };
        },
        ...undo('b'),
      }),
      task({
        name: 'c',
        requires: { two: z.number() },
        provides: { three: z.number() },
        execute: ({ two }, context) => {
          on.call('c', context);
          return { three: two + 1 };
        },
        ...undo('c'),
      }),
    ),
  });
}

function request(changes: readonly TaskChange[], more: Partial<ChangeRequest> = {}): ChangeRequest {
  return { changes, by: 'ada', reason: 'because', resume: true, isDryRun: false, ...more };
}

/** Changes a job, on behalf of ada. */
export async function change(
  fleet: TestFleet,
  id: JobId,
  ...[changes, more]: Parameters<typeof request>
): Promise<ChangeResult> {
  return await (await fleet.producer).change(id, request(changes, more));
}

/** The states of all recorded tasks, by name. */
export async function states(
  fleet: TestFleet,
  id: JobId,
): Promise<Readonly<Record<string, string>>> {
  const { atoms } = await fleet.job(id);
  return Object.fromEntries(atoms.map(({ name, state }) => [name, state]));
}

/** A job of this flow that has failed, with a worker that goes on. */
export async function failedJob(fleet: TestFleet, work: AnyFlow): Promise<JobId> {
  await fleet.startWorker({ flows: [work] });
  const id = await fleet.post(work.name);
  await fleet.untilState(id, 'failed');
  return id;
}

/** A task that does nothing besides. */
export function chainTask(on: Bench, name: string): Task {
  return task({ name, retry: ONCE, execute: (_values: object, context) => on.call(name, context) });
}

/** Lists 1, 2, 3; does each; sums them. */
export function mapFlow(on: Bench): AnyFlow {
  return flow({
    name: 'mapped',
    retry: ONCE,
    body: linear(
      'main',
      task({
        name: 'list',
        provides: { numbers: z.array(z.number()) },
        execute: (_values: object, context) => {
          on.call('list', context);
          return { numbers: [1, 2, 3] };
        },
      }),
      map('all', {
        over: 'numbers',
        as: 'number',
        concurrency: 3,
        body: task({
          name: 'each',
          requires: { number: z.number() },
          provides: { same: z.number() },
          execute: ({ number }, context) => {
            on.call(`each:${number}`, context);
            return { same: number };
          },
        }),
        collect: { same: 'sames' },
      }),
      task({
        name: 'sum',
        requires: { sames: z.array(z.number()) },
        provides: { total: z.number() },
        execute: ({ sames }, context) => {
          on.call('sum', context);
          return { total: sames.reduce((sum, each) => sum + each, 0) };
        },
      }),
    ),
  });
}
