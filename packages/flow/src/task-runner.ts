// Calls the user's functions for a run: with their arguments, in their context, and with what they
// return brought into the form that is stored.
import { assert, type Failure, type Payload } from '@holdfast/core';
import type { AtomBook } from './atom-book.ts';
import { type CallOutcome, unusable } from './call-outcome.ts';
import type { FlowPlan, PlanNode } from './flow-plan.ts';
import type { RunOptions, TaskCallInfo } from './run-options.ts';
import type { TaskSpec } from './task.ts';
import { callTask } from './task-call.ts';
import { encodeResult, readArguments, readResult } from './task-values.ts';

export interface TaskRunnerParts {
  readonly plan: FlowPlan;
  readonly options: RunOptions;
  readonly input: Readonly<Record<string, unknown>>;
  readonly book: AtomBook;
  readonly stop: AbortSignal;
  readonly abandoned: Promise<void>;
  /** Something was put that is to be written although no task has ended. */
  readonly kick: () => void;
}

/** See the head of this file. Its promises reject for defects only. */
export class TaskRunner {
  readonly #parts: TaskRunnerParts;
  readonly #indexes: ReadonlyMap<string, number>;

  constructor(parts: TaskRunnerParts) {
    this.#parts = parts;
    this.#indexes = new Map(parts.plan.nodes.map((node, index) => [node.name, index]));
  }

  indexOf(name: string): number {
    const index = this.#indexes.get(name);
    assert(index !== undefined, `the flow has a task ${name}`);
    return index;
  }

  /** One try of a task; its value is the result as it is to be stored. */
  async execute(index: number): Promise<CallOutcome<Payload>> {
    const { node, task } = this.#node(index);
    const { tries, executions } = this.#parts.book.start(index);
    const args = await this.#arguments(node);
    if (args.kind !== 'success') return args;
    const { jobId } = this.#parts.options.identity;
    const info: TaskCallInfo = {
      task: task.name,
      kind: 'execute',
      try: tries,
      execution: executions,
      idempotencyKey: `${jobId}/${task.name}/${tries}`,
    };
    const outcome = await this.#call(index, info, (ctx) => task.execute(args.value, ctx));
    if (outcome.kind !== 'success') return outcome;
    try {
      return { kind: 'success', value: await encodeResult(task, outcome.value) };
    } catch (error) {
      const thrown = unusable(`task ${task.name} returned what can't be stored`, error);
      return { kind: 'failure', thrown, isFinal: true };
    }
  }

  /** One try of a task's revert. */
  async revert(index: number, flowFailure: Failure): Promise<CallOutcome<unknown>> {
    const { node, task } = this.#node(index);
    const { revert } = task;
    assert(revert, `task ${task.name} has a revert`);
    const record = this.#parts.book.startRevert(index);
    const args = await this.#arguments(node);
    if (args.kind !== 'success') return args;
    const { jobId } = this.#parts.options.identity;
    const info: TaskCallInfo = {
      task: task.name,
      kind: 'revert',
      try: record.revertTries,
      execution: record.executions,
      idempotencyKey: `${jobId}/${task.name}/revert/${record.revertTries}`,
    };
    return await this.#call(index, info, (ctx) =>
      revert(args.value, {
        ...ctx,
        result: record.result && readResult(record),
        failure: record.failure,
        flowFailure,
        executeIdempotencyKey: `${jobId}/${task.name}/${record.tries}`,
      }),
    );
  }

  async #call(
    index: number,
    info: TaskCallInfo,
    run: Parameters<typeof callTask>[1]['run'],
  ): Promise<CallOutcome<unknown>> {
    const { options, book, stop, abandoned, kick } = this.#parts;
    const { identity, clock, logger, observer = {} } = options;
    return await callTask(
      { identity, clock, logger, observer, stop, abandoned },
      {
        info,
        timeoutMs: this.#node(index).task.timeoutMs,
        progress: (fraction, message) => {
          book.progress(index, fraction, message);
          kick();
        },
        recordError: (error) => {
          book.recordError(index, error);
          kick();
        },
        run,
      },
    );
  }

  async #arguments(node: PlanNode): Promise<CallOutcome<Readonly<Record<string, unknown>>>> {
    const { input, book } = this.#parts;
    try {
      const value = await readArguments(node, { input, resultOf: (from) => book.get(from) });
      return { kind: 'success', value };
    } catch (error) {
      const thrown = unusable(`the arguments of task ${node.name}`, error);
      return { kind: 'failure', thrown, isFinal: true };
    }
  }

  #node(index: number): { readonly node: PlanNode; readonly task: TaskSpec } {
    const node = this.#parts.plan.nodes[index];
    assert(node?.task, `node ${index} of the plan is a task`);
    return { node, task: node.task };
  }
}
