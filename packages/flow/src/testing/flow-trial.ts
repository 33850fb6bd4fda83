// A flow on trial: it runs with a virtual clock and seeded randomness, keeps its checkpoints in memory,
// and writes down what happens. No server, no store, no sleeps. trial-world.ts says what is promised.
import {
  decodeJson,
  FailedPreconditionError,
  type Failure,
  type FlowInput,
  type FlowOutput,
  InvalidArgumentError,
} from '@holdfast/core';
import type { AnyFlow } from '../flow.ts';
import { createTrace, type Trace } from './trace.ts';
import type { TrialTask } from './trial-task.ts';
import { type ResumeOptions, type TrialEnd, type TrialOptions, TrialWorld } from './trial-world.ts';

/** What {@link testFlow} takes. */
export interface TestFlowOptions<F extends AnyFlow = AnyFlow> extends TrialOptions {
  readonly input?: FlowInput<F> | undefined;
}

/** The options, which may be left out where the flow's input may. */
export type TestFlowArguments<F extends AnyFlow, Options = TestFlowOptions<F>> =
  // What a flow takes that needs no input is assignable from an empty object.
  {} extends FlowInput<F>
    ? [options?: Options]
    : [options: Options & { readonly input: FlowInput<F> }];

/** How a trial stands: `waiting` is for a signal that nobody sent. */
export type TrialKind = TrialEnd['kind'];

/**
 * Runs a flow in memory, on a virtual clock, to its end, to a crash that was asked for, or to a wait
 * that nothing ends. A bad input is a failure of the flow, as it is in production.
 *
 * Throws InvalidArgumentError for options out of range and for tasks that the flow doesn't have; a
 * defect of a task's own code is a failure of the flow and doesn't throw.
 *
 * @example
 * const trial = await testFlow(order, { input: { id: 7 }, fail: { charge: 2 } });
 * expect(trial.output).toEqual({ receipt: 'r-7' });
 * expect(trial.task('charge').executions).toBe(3);
 */
export async function testFlow<F extends AnyFlow>(
  flow: F,
  ...[options]: TestFlowArguments<F>
): Promise<FlowTrial<FlowOutput<F>>> {
  return await startTrial<FlowOutput<F>>(flow, options ?? {});
}

/** {@link testFlow} without its types. */
export async function startTrial<Output>(
  flow: AnyFlow,
  options: TrialOptions,
): Promise<FlowTrial<Output>> {
  const world = new TrialWorld(flow, options);
  return new FlowTrial<Output>(world, await world.run(options));
}

/** What became of a flow on trial. */
export class FlowTrial<Output = unknown> {
  readonly kind: TrialKind;
  readonly trace: Trace;
  /** By name, in the order of the graph; those that a map made for its items follow. */
  readonly tasks: Readonly<Record<string, TrialTask>>;
  /** Durable commits by now, the last one of the flow included. */
  readonly commits: number;
  readonly attempts: number;
  /** Virtual milliseconds since the start. */
  readonly elapsedMs: number;
  readonly #world: TrialWorld;
  readonly #end: TrialEnd;

  /** Made by {@link testFlow}. */
  constructor(world: TrialWorld, end: TrialEnd) {
    this.#world = world;
    this.#end = end;
    this.kind = end.kind;
    this.trace = createTrace([...world.events]);
    this.tasks = world.tasks();
    this.commits = world.commits;
    this.attempts = world.attempt;
    this.elapsedMs = world.elapsedMs;
  }

  /** The flow's output. Throws an Error that says what happened when the flow has not succeeded. */
  get output(): Output {
    const end = this.#end;
    // What the flow's type says was checked when the flow was made.
    if (end.kind === 'succeeded') return decodeJson(end.output) as Output;
    throw new Error(`the flow has no output: it ${describeEnd(end)}\n${this.trace.text}`);
  }

  /** Why the flow failed; undefined when it did not. */
  get failure(): Failure | undefined {
    return this.#end.kind === 'failed' ? this.#end.failure : undefined;
  }

  /** A task by its name. Throws InvalidArgumentError when the flow has no such task. */
  task(name: string): TrialTask {
    const found = this.tasks[name];
    if (found) return found;
    const allowed = `a task of the flow: ${Object.keys(this.tasks).join(', ')}`;
    throw new InvalidArgumentError('task', { value: name, allowed });
  }

  /**
   * Another attempt from the durable checkpoints, on the same clock: after a crash, or a wait. What is
   * not said anew holds as before, but the crash. Throws FailedPreconditionError when the flow has ended.
   */
  async resume(options: ResumeOptions = {}): Promise<FlowTrial<Output>> {
    if (this.kind === 'succeeded' || this.kind === 'failed') {
      throw new FailedPreconditionError(`the flow has ${this.kind}, so there is nothing to resume`);
    }
    return new FlowTrial<Output>(this.#world, await this.#world.run(options));
  }
}

function describeEnd(end: TrialEnd): string {
  if (end.kind === 'waiting') return `waits: ${end.reason}`;
  if (end.kind !== 'failed') return `has ${end.kind}`;
  const { task, type, message } = end.failure;
  return `failed${task === undefined ? '' : ` in task ${task}`}: ${type}: ${message}`;
}
