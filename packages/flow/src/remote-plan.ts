import { labelsText, type WorkerLabels } from '@holdfast/core';
import { type AnyFlow, planOf } from './flow.ts';
import type { FlowPlan, PlanBody, PlanNode } from './flow-plan.ts';
import { taskNameOf } from './migration.ts';
import { labelsToRun } from './runs-where.ts';
import type { TaskSpec } from './task.ts';

/** A plain task of a flow, at whatever depth. */
interface PlainTask {
  readonly node: PlanNode;
  readonly task: TaskSpec;
}

/**
 * The sets of labels that remote tasks of this flow ask for, those in the bodies of its maps included,
 * each once; the empty one for tasks that run anywhere. Empty for a flow without remote tasks.
 */
export function remoteLabelsOf(flow: AnyFlow): readonly WorkerLabels[] {
  const plan = planOf(flow);
  const found = new Map<string, WorkerLabels>();
  for (const { task } of plainTasks(plan)) {
    const labels = labelsToRun(task, plan.runs);
    if (labels) found.set(labelsText(labels), labels);
  }
  return [...found.values()];
}

/** The plain task that a record of this name is of, with its places in maps or without; undefined for none. */
export function findPlainTask(plan: FlowPlan, record: string): PlainTask | undefined {
  const name = taskNameOf(record);
  for (const found of plainTasks(plan)) if (found.node.name === name) return found;
  return undefined;
}

function* plainTasks(body: PlanBody): Generator<PlainTask> {
  for (const node of body.nodes) {
    if (node.role.kind === 'fork') yield* plainTasks(node.role.body);
    else if (node.role.kind === 'task' && node.task) yield { node, task: node.task };
  }
}

/**
 * The plan of a flow that is nothing but this task, under the name of its record. Its arguments come
 * with it, by what the flow calls them. Where it is executed it can't be reverted: whether it is to be
 * is for the flow that it comes from to say.
 */
export function planOfTask(
  plan: FlowPlan,
  { node, task }: PlainTask,
  { name, intention }: { readonly name: string; readonly intention: 'execute' | 'revert' },
): FlowPlan {
  const alone: PlanNode = {
    name,
    task: intention === 'execute' ? { ...task, revert: undefined } : task,
    role: { kind: 'task' },
    sources: node.sources.map((source) => ({
      name: source.name,
      from: [{ kind: 'argument', value: task.needs[source.name] ?? source.name }],
    })),
    predecessors: [],
    successors: [],
    scope: 0,
    pattern: 0,
    votes: [],
  };
  return {
    ...plan,
    input: undefined,
    nodes: [alone],
    scopes: [{ parent: undefined, controller: undefined }],
    runs: 'here',
    migrations: new Map(),
    totalMs: undefined,
    output: [],
  };
}
