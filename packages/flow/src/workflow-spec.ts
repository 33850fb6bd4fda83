// A durable function as the engine sees it: without the types of its values.
import type { RetryPolicy } from '@holdfast/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { AnyFlow } from './flow.ts';
import type { RetryOptions } from './retry-options.ts';
import type { Values } from './run-values.ts';
import type { RevertContext, TaskContext } from './task-context.ts';
import type { WorkflowContext } from './workflow-context.ts';

// Registered under a global key, so that a workflow made by another copy of this package is one too.
const WORKFLOW: unique symbol = Symbol.for('@holdfast/flow workflow 1');

export interface WorkflowSpec {
  /** Also the name of the function's own checkpoint. */
  readonly name: string;
  /** What the function returns has to pass it; undefined = anything. */
  readonly output: StandardSchemaV1 | undefined;
  /** The policy of steps that have none of their own. */
  readonly retry: RetryPolicy;
  readonly run: (ctx: WorkflowContext, input: Values) => unknown;
}

/** What the durable function asks for under a name. */
export type AskSpec = StepSpec | SleepSpec | WaitSpec;

export interface StepSpec {
  readonly kind: 'step';
  readonly execute: (ctx: TaskContext) => unknown;
  readonly revert: ((ctx: RevertContext) => unknown) | undefined;
  readonly schema: StandardSchemaV1 | undefined;
  readonly retry: RetryOptions | undefined;
  readonly timeoutMs: number | undefined;
}

export interface SleepSpec {
  readonly kind: 'sleep';
  readonly ms: number;
}

export interface WaitSpec {
  readonly kind: 'wait';
  readonly event: string;
  readonly schema: StandardSchemaV1 | undefined;
  readonly timeoutMs: number | undefined;
}

/** Something that the function has asked for, and awaits. */
export interface Ask {
  /** Its place in the order of asking, from 0. */
  readonly index: number;
  readonly name: string;
  readonly spec: AskSpec;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** The flow, with the durable function that it stands for. */
export function withWorkflow(flow: AnyFlow, spec: WorkflowSpec): AnyFlow {
  return Object.freeze({ ...flow, [WORKFLOW]: spec });
}

/** The durable function that the flow stands for; undefined for a flow of tasks. */
export function workflowOf(
  flow: AnyFlow & { readonly [WORKFLOW]?: WorkflowSpec },
): WorkflowSpec | undefined {
  return flow[WORKFLOW];
}
