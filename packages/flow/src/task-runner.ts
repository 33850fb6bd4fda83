// Calls the user's functions for a run: with their arguments, in their context, and with what they
// return brought into the form that is stored. The whole of a try happens under its timeout and
// inside the observer: looking up the arguments, the user's code, checking what it returned.
import {
  assert,
  decodeJson,
  encodeJson,
  type Failure,
  InvalidArgumentError,
  LIMITS,
  type Logger,
  type Payload,
  type RetryDecision,
} from '@holdfast/core';
import type { AtomBook } from './atom-book.ts';
import type { RetryContext, RetryHistoryRound } from './atom-spec.ts';
import type { CallOutcome } from './call-outcome.ts';
import type { PlanVote } from './flow-plan.ts';
import { finalFailure, performCall } from './perform-call.ts';
import type { RunGraph, RunNode } from './run-graph.ts';
import type { RunObserver, RunOptions, Signal, TaskCallInfo } from './run-options.ts';
import {
  encodeResult,
  encodeValues,
  readArguments,
  readResult,
  readRevertArguments,
  type Values,
} from './run-values.ts';
import { validate } from './schema.ts';
import type { TaskSpec } from './task.ts';
import type { CallContext } from './task-context.ts';
import { callTask } from './user-call.ts';
import type { ValueFinder } from './value-finder.ts';

/** How calls are told to end, and when nobody waits for them any more. */
export interface CallEnds {
  readonly stop: AbortSignal;
  readonly abandoned: Promise<void>;
}

export interface TaskRunnerParts {
  readonly graph: RunGraph;
  readonly values: ValueFinder;
  readonly options: RunOptions;
  readonly book: AtomBook;
  /** For everything that goes forward, and for reverts. */
  readonly forward: CallEnds;
  readonly backward: CallEnds;
  /** Something was put that is to be written although no task has ended. */
  readonly kick: () => void;
}

/** What came of a try. */
export type Executed =
  | { readonly kind: 'provided'; readonly payload: Payload }
  | { readonly kind: 'chosen'; readonly case: string | undefined; readonly payload: Payload }
  | { readonly kind: 'pause'; readonly ms: number }
  | { readonly kind: 'list'; readonly count: number; readonly payload: Payload };

/** See the head of this file. Its promises reject for defects only. */
export class TaskRunner {
  readonly #parts: TaskRunnerParts;

  constructor(parts: TaskRunnerParts) {
    this.#parts = parts;
  }

  /** One try of an atom. */
  async execute(index: number): Promise<CallOutcome<Executed>> {
    const { node, task } = this.#node(index);
    const { tries, executions } = this.#parts.book.start(index);
    const info = this.#info(node, { kind: 'execute', try: tries, execution: executions });
    const log = this.#log(info);
    const { forward, options } = this.#parts;
    const call = { node, info, log, ends: forward, observer: options.observer ?? {} };
    const outcome = await this.#call(call, async (ctx) => {
      const args = await this.#arguments(node, task);
      if (args.kind !== 'success') return args;
      return await this.#perform(node, forward, async () => {
        const returned = await task.execute(args.value, this.#executeContext(index, ctx));
        return () => this.#executed(node, returned, log);
      });
    });
    // Every success comes from #executed, above.
    return outcome as CallOutcome<Executed>;
  }

  /** One try of an atom's revert. */
  async revert(index: number, flowFailure: Failure): Promise<CallOutcome<unknown>> {
    const { node, task } = this.#node(index);
    const { revert } = task;
    assert(revert, `task ${node.name} has a revert`);
    const record = this.#parts.book.startRevert(index, flowFailure);
    const { jobId } = this.#parts.options.identity;
    const info = this.#info(node, {
      kind: 'revert',
      try: record.revertTries,
      execution: record.executions,
    });
    // The failure of the flow as a whole stands in records too, but the task itself had succeeded.
    const failure = record.failure?.task === node.name ? record.failure : undefined;
    const { backward, options } = this.#parts;
    const log = this.#log(info);
    const call = { node, info, log, ends: backward, observer: options.observer ?? {} };
    return await this.#call(call, async (ctx) => {
      const args = await this.#arguments(node, task, readRevertArguments);
      if (args.kind !== 'success') return args;
      return await this.#perform(node, backward, async () => {
        await revert(args.value, {
          ...this.#executeContext(index, ctx),
          result: failure || !record.result ? undefined : readResult(record),
          failure,
          flowFailure,
          executeIdempotencyKey: `${jobId}/${node.name}/${Math.max(1, record.tries)}`,
        });
        return () => undefined;
      });
    });
  }

  /** Asks a retry controller what to do about what failed in its last round. */
  async judge(index: number): Promise<CallOutcome<RetryDecision>> {
    const { node, task } = this.#node(index);
    const { role } = node;
    assert(role.kind === 'retry', `${node.name} is a retry controller`);
    const outcome = await this.#ask(node, async (ctx) => {
      const args = await this.#arguments(node, task);
      if (args.kind !== 'success') return args;
      return await this.#perform(node, this.#parts.forward, async () => {
        const context: RetryContext = { ...ctx, history: this.#history(index) };
        const decision = await role.retry.onFailure(args.value, context);
        return () => checkDecision(decision);
      });
    });
    return outcome as CallOutcome<RetryDecision>; // Every success comes from checkDecision.
  }

  /** Asks one decider; its value is true for a no. */
  async vote(index: number, vote: PlanVote): Promise<CallOutcome<boolean>> {
    const { node } = this.#node(index);
    const { graph, values } = this.#parts;
    const results: Record<string, Values> = {};
    for (const local of vote.sources) {
      const from = graph.placeFrom(node, local);
      const provided = values.valuesOf(from);
      if (provided) results[graph.node(from).name] = provided;
    }
    const outcome = await this.#ask(node, async () =>
      this.#perform(node, this.#parts.forward, async () => {
        const answer = await vote.decide(results);
        return () => answer === false;
      }),
    );
    return outcome as CallOutcome<boolean>; // Every success comes from the line above.
  }

  /** Checks a signal that the atom waits for; its value is what the atom provides. */
  async receive(index: number, signal: Signal): Promise<CallOutcome<Payload>> {
    const { node } = this.#node(index);
    const { role } = node;
    assert(role.kind === 'event', `${node.name} waits for a signal`);
    const { schema, provides } = role.event;
    const outcome = await this.#ask(node, async () =>
      this.#perform(node, this.#parts.forward, async () => {
        let value: unknown = decodeJson(signal.payload);
        if (schema) {
          const validation = await validate(schema, value, 'signal');
          if (validation.kind === 'invalid') throw new InvalidArgumentError(validation.violations);
          ({ value } = validation);
        }
        return () =>
          encodeValues(
            provides === undefined ? {} : { [provides]: value },
            `the signal that ${node.name} waits for`,
          );
      }),
    );
    return outcome as CallOutcome<Payload>; // Every success comes from encodeValues.
  }

  /** A question to user code that is no try: not told to the observer, and not counted. */
  async #ask(
    node: RunNode,
    perform: (ctx: CallContext) => Promise<CallOutcome<unknown>>,
  ): Promise<CallOutcome<unknown>> {
    const { tries, executions } = this.#parts.book.get(this.#placeOf(node));
    const info = this.#info(node, { kind: 'execute', try: tries, execution: executions });
    const call = { node, info, log: this.#log(info), ends: this.#parts.forward, observer: {} };
    return await this.#call(call, perform);
  }

  async #call(
    call: {
      readonly node: RunNode;
      readonly info: TaskCallInfo;
      readonly log: Logger;
      readonly ends: CallEnds;
      readonly observer: RunObserver;
    },
    perform: (ctx: CallContext) => Promise<CallOutcome<unknown>>,
  ): Promise<CallOutcome<unknown>> {
    const { options, book, kick } = this.#parts;
    const { identity, clock, mayCall = () => true } = options;
    const { info, log, ends, observer } = call;
    if (!mayCall()) return { kind: 'interrupted' };
    const index = this.#placeOf(call.node);
    return await callTask(
      { identity, clock, log, observer, stop: ends.stop, abandoned: ends.abandoned },
      {
        info,
        timeoutMs: call.node.task?.timeoutMs,
        heartbeatMs: call.node.task?.heartbeatMs,
        progress: (fraction, message) => {
          book.progress(index, fraction, message);
          kick();
        },
        recordError: (error) => {
          book.recordError(index, error);
          kick();
        },
        perform,
      },
    );
  }

  /** Runs user code, unless the run is to stop. */
  async #perform(
    node: RunNode,
    ends: CallEnds,
    run: () => Promise<() => unknown>,
  ): Promise<CallOutcome<unknown>> {
    const { mayCall = () => true } = this.#parts.options;
    if (ends.stop.aborted || !mayCall()) return { kind: 'interrupted' };
    return await performCall(run, `what task ${node.name} returned`);
  }

  async #arguments(
    node: RunNode,
    task: TaskSpec,
    read: typeof readArguments = readArguments,
  ): Promise<CallOutcome<Values>> {
    try {
      const lookup = this.#parts.values.lookupFor(node);
      return { kind: 'success', value: await read(task, node.sources, lookup) };
    } catch (error) {
      return finalFailure(`the arguments of task ${node.name}`, error);
    }
  }

  /** What a try returned, as it is stored. Throws for what can't be. */
  async #executed(node: RunNode, returned: unknown, log: Logger): Promise<Executed> {
    const { role, task } = node;
    assert(task, `${node.name} is an atom`);
    switch (role.kind) {
      case 'choice': {
        const names = role.cases.map((each) => each.name);
        const chosen = checkCase(returned, names) ?? role.choice.otherwise;
        return { kind: 'chosen', case: chosen, payload: encodeJson({ case: chosen ?? null }) };
      }
      case 'sleep':
        return { kind: 'pause', ms: checkPause(returned) };
      case 'fork': {
        const count = this.#countItems(node);
        return { kind: 'list', count, payload: encodeJson({ count }) };
      }
      case 'task':
      case 'retry':
      case 'event':
      case 'join':
      case 'gather':
        return { kind: 'provided', payload: await encodeResult(task, returned, log) };
      default:
        return role satisfies never;
    }
  }

  #countItems(node: RunNode): number {
    const { graph, values } = this.#parts;
    assert(node.role.kind === 'fork', `${node.name} is a map`);
    const { list: name } = node.role;
    const place = this.#placeOf(node);
    const list = values.listOf(place);
    if (!Array.isArray(list)) {
      throw new InvalidArgumentError(name, { value: typeof list, allowed: 'a list' });
    }
    graph.checkRoom(place, list.length);
    return list.length;
  }

  /** Controllers see their history too. */
  #executeContext(index: number, ctx: CallContext): CallContext {
    const isController = this.#parts.graph.node(index).role.kind === 'retry';
    return isController ? ({ ...ctx, history: this.#history(index) } as RetryContext) : ctx;
  }

  #history(index: number): readonly RetryHistoryRound[] {
    return this.#parts.book.get(index).rounds.map((round, place) => ({
      round: place + 1,
      startedAtUnixMs: round.startedAtUnixMs,
      // Written by encodeResult, which stores an object.
      provided: (round.provided ? decodeJson(round.provided) : {}) as Values,
      failures: round.failures,
    }));
  }

  #info(node: RunNode, call: Pick<TaskCallInfo, 'kind' | 'try' | 'execution'>): TaskCallInfo {
    const { jobId } = this.#parts.options.identity;
    const key = call.kind === 'revert' ? `revert/${call.try}` : `${call.try}`;
    return { task: node.name, ...call, idempotencyKey: `${jobId}/${node.name}/${key}` };
  }

  #log({ task, kind, try: number }: TaskCallInfo): Logger {
    return this.#parts.options.logger.child({ task, kind, try: number });
  }

  #placeOf(node: RunNode): number {
    const place = this.#parts.graph.placeOf(node.name);
    assert(place !== undefined, `the run has a node ${node.name}`);
    return place;
  }

  #node(index: number): { readonly node: RunNode; readonly task: TaskSpec } {
    const node = this.#parts.graph.node(index);
    assert(node.task, `node ${node.name} is an atom`);
    return { node, task: node.task };
  }
}

function checkDecision(decision: unknown): RetryDecision {
  if (decision === 'retry' || decision === 'revert' || decision === 'revertAll') return decision;
  throw new InvalidArgumentError('onFailure', {
    value: String(decision),
    allowed: "'retry', 'revert' or 'revertAll'",
  });
}

function checkCase(returned: unknown, names: readonly string[]): string | undefined {
  if (returned === undefined) return undefined;
  if (typeof returned === 'string' && names.includes(returned)) return returned;
  throw new InvalidArgumentError('case', {
    value: typeof returned === 'string' ? returned : typeof returned,
    allowed: `${names.join(', ')}, or undefined for none of them`,
  });
}

function checkPause(returned: unknown): number {
  if (typeof returned === 'number' && returned >= 0 && returned <= LIMITS.durationMaxMs) {
    return Math.ceil(returned);
  }
  throw new InvalidArgumentError('ms', {
    value: String(returned),
    allowed: `a number of milliseconds from 0 to ${LIMITS.durationMaxMs}`,
  });
}
