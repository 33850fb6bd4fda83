import type { BlockDepth, RetryPolicy } from '@holdfast/core';
import type { ChoiceSpec, EventSpec, RetrySpec, SleepSpec } from './atom-spec.ts';
import type { InputSchema } from './flow-wiring-type.ts';
import type { Migrations } from './migration.ts';
import type { RunsWhere, TaskSpec } from './task.ts';

/** A compiled flow as the engine uses it. */
export interface FlowPlan extends PlanBody {
  readonly input: InputSchema | undefined;
  /** The policy of tasks that have none of their own. */
  readonly retry: RetryPolicy;
  /** Where tasks run that don't say it themselves. */
  readonly runs: RunsWhere;
  readonly version: number;
  /** What leads to this version from earlier ones. */
  readonly migrations: Migrations;
  /** The flow has failed when it has not come to its end so many milliseconds after its first attempt began; undefined = no limit. */
  readonly totalMs: number | undefined;
  /** The values of the output, and who provides each. */
  readonly output: readonly PlanOutput[];
}

/** Nodes that refer to each other by their place in `nodes`: a flow, or what a map does for each item. */
export interface PlanBody {
  /** Atoms in topological order, then joins. */
  readonly nodes: readonly PlanNode[];
  /** What retry controllers control, each after the scope around it. The first is the whole body. */
  readonly scopes: readonly PlanScope[];
}

/** The nodes under one retry controller, or all of a body. */
export interface PlanScope {
  /** The scope around it, by its place; undefined for the first. */
  readonly parent: number | undefined;
  /** The node of the controller, which itself lies in `parent`; undefined for the first. */
  readonly controller: number | undefined;
}

export interface PlanNode {
  readonly name: string;
  /** What is run; undefined for a join and a gather, which are nothing but points in the order. */
  readonly task: TaskSpec | undefined;
  /** What is special about it. */
  readonly role: PlanRole;
  /** Where each required value comes from. */
  readonly sources: readonly PlanSource[];
  readonly predecessors: readonly number[];
  readonly successors: readonly number[];
  /** The innermost scope that the node lies in, by its place. */
  readonly scope: number;
  /** Two nodes with the same number stand in the same pattern. */
  readonly pattern: number;
  /** Asked right before the node starts; any no keeps it from running. */
  readonly votes: readonly PlanVote[];
}

export type PlanRole =
  | { readonly kind: 'task' }
  /** Waits for all of its predecessors. */
  | { readonly kind: 'join' }
  /** Starts each round of the scope `controls`. */
  | { readonly kind: 'retry'; readonly retry: RetrySpec; readonly controls: number }
  /** Chooses one of several cases; the nodes of all others are ignored. */
  | {
      readonly kind: 'choice';
      readonly choice: ChoiceSpec;
      readonly cases: readonly { readonly name: string; readonly nodes: readonly number[] }[];
    }
  | { readonly kind: 'sleep'; readonly sleep: SleepSpec }
  | { readonly kind: 'event'; readonly event: EventSpec }
  /** Reads a list, and does `body` for each of its items. */
  | {
      readonly kind: 'fork';
      /** The required value that is the list. */
      readonly list: string;
      /** Items at once. */
      readonly concurrency: number;
      readonly body: PlanBody;
      /** The node that stands for all items being done. */
      readonly gather: number;
    }
  /** All items of a fork are done. What it gives are lists, in the order of the items. */
  | {
      readonly kind: 'gather';
      readonly fork: number;
      /**
       * `name` is what the list is called. `from` are nodes of the fork's body that may provide its items,
       * as `value`: the first that was not ignored counts; when all were, the item is null.
       */
      readonly values: readonly {
        readonly name: string;
        readonly from: readonly { readonly node: number; readonly value: string }[];
      }[];
    };

export interface PlanSource {
  /** What the task calls the value. */
  readonly name: string;
  /**
   * Who may provide it, and what the provider calls it. The first whose node was not ignored counts;
   * when all were, the value is undefined, and the task's schema decides. Empty: nobody does.
   */
  readonly from: readonly PlanProvider[];
}

export type PlanProvider =
  /** A node of the same body: what it provides under `value`. */
  | { readonly kind: 'node'; readonly node: number; readonly value: string }
  /** The flow's input. In the body of a map too. */
  | { readonly kind: 'input'; readonly value: string }
  /** In the body of a map: the item, and its place in the list. */
  | { readonly kind: 'item' }
  | { readonly kind: 'index' }
  /** In the body of a map: what the fork itself requires under `value`. */
  | { readonly kind: 'fork'; readonly value: string }
  /** Where a task runs elsewhere than its flow: what came with it under `value`. */
  | { readonly kind: 'argument'; readonly value: string };

/** A value of the flow's output; like a source. */
export type PlanOutput = PlanSource;

/** A decider on a link into the node. */
export interface PlanVote {
  /**
   * The atoms, and the gathers, that the link comes from. Abstains when all of them were ignored; a
   * gather was when its fork was.
   */
  readonly sources: readonly number[];
  /** What the sources that were not ignored provided, by their names. Anything but false is a yes. */
  readonly decide: (
    results: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => boolean | PromiseLike<boolean>;
  readonly depth: BlockDepth;
}
