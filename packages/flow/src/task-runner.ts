// Calls the user's functions for a run: with their arguments, in their context, and with what they
// return brought into the form that is stored. The whole of a try happens under its timeout and
// inside the observer: looking up the arguments, the user's code, checking what it returned.
import { assert, type Failure, type Logger, type Payload } from '@holdfast/core';
import type { AtomBook } from './atom-book.ts';
import { type CallOutcome, type FailedCall, unusable } from './call-outcome.ts';
import type { FlowPlan, PlanNode } from './flow-plan.ts';
import type { RunOptions, TaskCallInfo } from './run-options.ts';
import { encodeResult, readArguments, readResult, type Values } from './run-values.ts';
import type { TaskSpec } from './task.ts';
import type { CallContext } from './task-context.ts';
import { callTask } from './user-call.ts';

export interface TaskRunnerParts {
  readonly plan: FlowPlan;
  readonly options: RunOptions;
  readonly input: Values;
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
    const { task } = this.#node(index);
    const { tries, executions } = this.#parts.book.start(index);
    const { jobId } = this.#parts.options.identity;
    const info: TaskCallInfo = {
      task: task.name,
      kind: 'execute',
      try: tries,
      execution: executions,
      idempotencyKey: `${jobId}/${task.name}/${tries}`,
    };
    const log = this.#log(info);
    const outcome = await this.#call(index, { info, log }, async (args, ctx) => {
      const returned = await task.execute(args, ctx);
      return () => encodeResult(task, returned, log);
    });
    // Every success comes from encodeResult, above.
    return outcome as CallOutcome<Payload>;
  }

  /** One try of a task's revert. */
  async revert(index: number, flowFailure: Failure): Promise<CallOutcome<unknown>> {
    const { task } = this.#node(index);
    const { revert } = task;
    assert(revert, `task ${task.name} has a revert`);
    const record = this.#parts.book.startRevert(index, flowFailure);
    const { jobId } = this.#parts.options.identity;
    const info: TaskCallInfo = {
      task: task.name,
      kind: 'revert',
      try: record.revertTries,
      execution: record.executions,
      idempotencyKey: `${jobId}/${task.name}/revert/${record.revertTries}`,
    };
    // The failure of the flow as a whole stands in records too, but the task itself had succeeded.
    const failure = record.failure?.task === task.name ? record.failure : undefined;
    return await this.#call(index, { info, log: this.#log(info) }, async (args, ctx) => {
      await revert(args, {
        ...ctx,
        result: failure || !record.result ? undefined : readResult(record),
        failure,
        flowFailure,
        executeIdempotencyKey: `${jobId}/${task.name}/${Math.max(1, record.tries)}`,
      });
      return () => undefined;
    });
  }

  /** `run` calls the user's function, and returns how to bring its result into its final form. */
  async #call(
    index: number,
    { info, log }: { readonly info: TaskCallInfo; readonly log: Logger },
    run: (args: Values, ctx: CallContext) => Promise<() => unknown>,
  ): Promise<CallOutcome<unknown>> {
    const { options, book, stop, abandoned, kick } = this.#parts;
    const { identity, clock, observer = {}, mayCall = () => true } = options;
    const { node, task } = this.#node(index);
    if (!mayCall()) return { kind: 'interrupted' };
    return await callTask(
      { identity, clock, log, observer, stop, abandoned },
      {
        info,
        timeoutMs: task.timeoutMs,
        progress: (fraction, message) => {
          book.progress(index, fraction, message);
          kick();
        },
        recordError: (error) => {
          book.recordError(index, error);
          kick();
        },
        perform: async (ctx) => {
          const args = await this.#arguments(node);
          if (args.kind !== 'success') return args;
          if (stop.aborted || !mayCall()) return { kind: 'interrupted' };
          return await perform(() => run(args.value, ctx), `what task ${task.name} returned`);
        },
      },
    );
  }

  async #arguments(node: PlanNode): Promise<CallOutcome<Values>> {
    const { input, book } = this.#parts;
    try {
      const value = await readArguments(node, { input, resultOf: (from) => book.get(from) });
      return { kind: 'success', value };
    } catch (error) {
      return finalFailure(`the arguments of task ${node.name}`, error);
    }
  }

  #log({ task, kind, try: number }: TaskCallInfo): Logger {
    return this.#parts.options.logger.child({ task, kind, try: number });
  }

  #node(index: number): { readonly node: PlanNode; readonly task: TaskSpec } {
    const node = this.#parts.plan.nodes[index];
    assert(node?.task, `node ${index} of the plan is a task`);
    return { node, task: node.task };
  }
}

/** Runs user code, then what brings its result into its final form; the latter fails every time or never. */
async function perform(
  run: () => Promise<() => unknown>,
  what: string,
): Promise<CallOutcome<unknown>> {
  let finish: () => unknown;
  try {
    finish = await run();
  } catch (thrown) {
    return { kind: 'failure', thrown, isFinal: false };
  }
  try {
    return { kind: 'success', value: await finish() };
  } catch (error) {
    return finalFailure(what, error);
  }
}

function finalFailure(what: string, error: unknown): FailedCall {
  return { kind: 'failure', thrown: unusable(what, error), isFinal: true };
}
