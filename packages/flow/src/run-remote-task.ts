// Runs one task of a flow elsewhere than the flow itself: the whole of a task job.
//
// The task is run as a flow that is nothing but this task, by the same engine. So its tries, timeouts,
// pauses and checkpoints are those that it has where its flow runs. What it is called there, its record
// and its idempotency keys, it is called here; the numbers of its tries go on from the record that
// came with it.
//
// Invariants:
//   R1. A record of an earlier attempt of the task job wins over the one that the task job came with.
//   R2. What is executed here is never reverted here: the flow decides that, and has it done under a
//       task job of its own.
//
// Not promised: that the flow still wants the result. Whoever runs the task job looks after that.
import {
  type AtomRecord,
  assert,
  decodeJson,
  encodeJson,
  type Failure,
  type Payload,
  type RemoteTask,
  toFailure,
} from '@holdfast/core';
import { planOf } from './flow.ts';
import { FlowRun } from './flow-run.ts';
import { taskNameOf } from './migration.ts';
import { isRemoteEnd } from './remote-end.ts';
import { findPlainTask, planOfTask } from './remote-plan.ts';
import type { RunOptions, RunResult } from './run-options.ts';
import type { Values } from './run-values.ts';

/**
 * What {@link runRemoteTask} takes: what the task job would be run with if it were any other job.
 * `remote`, `signals` and `startedAtUnixMs` are about whole flows, and make no difference here.
 */
export interface RemoteTaskOptions extends RunOptions {
  /** As it stands in the task job's spec. `flow` has to be of its version. */
  readonly remoteTask: RemoteTask;
  /** The task's arguments, by what the flow calls them: the input of the task job. */
  readonly input: Payload;
  /** The records of earlier attempts of the task job; at most one. */
  readonly atoms: readonly AtomRecord[];
}

/**
 * Runs the task as far as it gets. 'succeeded', without output: it was executed, or reverted, as it was
 * to be; 'failed': its execution, or its revert, has failed for good, or `flow` has no such task. Its
 * record, which `checkpoint` gets and the result's `uncommitted` hold, says all the rest; see
 * {@link isRemoteEnd}. Anything else is as for `runFlow`.
 */
export async function runRemoteTask(options: RemoteTaskOptions): Promise<RunResult> {
  const { flow, remoteTask, identity } = options;
  const { task: name, intention, parentId, flowFailure } = remoteTask;
  const record = recordOf(options);
  const plan = planOf(flow);
  const found = findPlainTask(plan, name);
  if (!found) return failed(options, missing(options));
  let args: Values;
  try {
    args = decodeArguments(options.input);
  } catch (error) {
    return failed(options, toFailure(error, name));
  }
  const last = { record };
  const run = new FlowRun(
    planOfTask(plan, found, { name, intention }),
    {
      ...options,
      atoms: [record],
      // So that the task's keys are the same wherever it runs.
      identity: { ...identity, jobId: parentId },
      remote: undefined,
      signals: undefined,
      startedAtUnixMs: undefined,
      observer: {
        ...options.observer,
        transition: (after, previous) => {
          last.record = after;
          options.observer?.transition?.(after, previous);
        },
      },
    },
    args,
  );
  if (intention === 'execute') return await run.run();
  const result = await run.run(flowFailure ?? unknownFailure(name));
  return result.kind === 'failed' ? reverted(result, last.record) : result;
}

/** R1. The rounds of the flow are none of this run's, so its record is of none. */
function recordOf({ remoteTask, atoms }: RemoteTaskOptions): AtomRecord {
  const { atom, task, intention } = remoteTask;
  const own = atoms.find((each) => each.name === task);
  if (own) return { ...own, generation: 0 };
  // Counted where it was posted; the first call of user code, which counts it too, is here.
  const executions = intention === 'execute' ? Math.max(0, atom.executions - 1) : atom.executions;
  return { ...atom, name: task, executions, generation: 0, taskJob: undefined };
}

function decodeArguments(input: Payload): Values {
  const args = decodeJson(input);
  assert(
    typeof args === 'object' && args !== null && !Array.isArray(args),
    'the input of a task job is an object',
  );
  return args as Values; // as was just checked
}

/** The end of a task whose code is never called. */
function failed(
  { remoteTask, identity, clock, ...rest }: RemoteTaskOptions,
  failure: Failure,
): RunResult {
  const { attempt, worker } = identity;
  const before = recordOf({ remoteTask, identity, clock, ...rest });
  if (isRemoteEnd(remoteTask.intention, before))
    return { kind: 'failed', failure, uncommitted: [] };
  const end: Partial<AtomRecord> =
    remoteTask.intention === 'execute'
      ? { state: 'failure', failure, finishedAtUnixMs: clock.nowUnixMs() }
      : { state: 'revertFailure', revertFailure: failure };
  const record = { ...before, ...end, intention: 'revert', nextAtUnixMs: undefined } as const;
  return { kind: 'failed', failure, uncommitted: [{ ...record, attempt, worker }] };
}

function missing({ flow, remoteTask }: RemoteTaskOptions): Failure {
  const { task } = remoteTask;
  const message = `flow ${flow.name} has no task ${taskNameOf(task)} that could run as a job of its own`;
  return toFailure(new Error(message), task);
}

function unknownFailure(name: string): Failure {
  return toFailure(new Error(`the task job of ${name} does not say why the flow is reverted`));
}

/** A flow that has failed is reverted, which is what was wanted here. */
function reverted(
  { failure, uncommitted }: Extract<RunResult, { kind: 'failed' }>,
  record: AtomRecord,
): RunResult {
  if (record.state === 'reverted') {
    return { kind: 'succeeded', output: encodeJson({}), uncommitted };
  }
  return { kind: 'failed', failure: record.revertFailure ?? failure, uncommitted };
}
