import { InvalidArgumentError, sleep, type VirtualClock } from '@holdfast/core';
import { type AnyFlow, planOf, withPlan } from '../flow.ts';
import type { PlanBody, PlanNode } from '../flow-plan.ts';
import { checkNumber } from '../retry-options.ts';
import type { TaskSpec } from '../task.ts';
import type { CallContext } from '../task-context.ts';
import type { WorkflowContext } from '../workflow-context.ts';
import { type WorkflowSpec, withWorkflow, workflowOf } from '../workflow-spec.ts';
import type { RealWork } from './real-work.ts';
import type { TaskCall } from './trial-task.ts';

/** Which tries fail, and how. */
export interface FailRule {
  /** The first so many tries, or those with these numbers. Default: every try. */
  readonly tries?: number | readonly number[] | undefined;
  /** What is thrown, or a function of the number of the try. Default: an `Error` that says that the test wants it. */
  readonly error?: Error | ((tryNumber: number) => Error) | undefined;
  /** `after`: the task does its work first, and fails then. Default: `before`, so it does none. */
  readonly when?: 'before' | 'after' | undefined;
}

/** Tries that fail: the first so many, all with this error, or by a rule. */
export type Failing = number | Error | FailRule;

/** Virtual milliseconds before the task's own code runs, at each try: of `execute`, or of each. */
export type TaskDelay =
  | number
  | { readonly execute?: number | undefined; readonly revert?: number | undefined };

/** What stands in for the task's own code. */
export interface TaskStub {
  /** The result itself, or a function in the place of `execute`. */
  readonly execute?: unknown;
  /** A function in the place of `revert`; also for a task that has none. */
  readonly revert?: ((args: never, ctx: never) => unknown) | undefined;
}

type ByTask<Value> = Readonly<Record<string, Value | undefined>>;

/**
 * What named tasks, or steps of a durable function, do in a test other than what they were written to
 * do. A task of a map is named for all items, or for one: `scan[3]`. Unknown names are refused, but for
 * steps: nobody knows them before the function runs.
 */
export interface TaskScripts {
  /** Tries of `execute` that fail. */
  readonly fail?: ByTask<Failing> | undefined;
  /** Tries of `revert` that fail. */
  readonly failRevert?: ByTask<Failing> | undefined;
  readonly delay?: ByTask<TaskDelay> | undefined;
  readonly stub?: ByTask<TaskStub> | undefined;
}

/** What the functions of a scripted flow need. */
export interface ScriptParts {
  readonly scripts: TaskScripts;
  readonly clock: VirtualClock;
  readonly work: RealWork;
  /** Told of each call of user code before anything else happens. */
  readonly called: (call: TaskCall) => void;
}

/** The flow with the scripts around its tasks' own code, or around that of the steps of a durable function. */
export function scriptFlow(flow: AnyFlow, parts: ScriptParts): AnyFlow {
  const workflow = workflowOf(flow);
  if (workflow) return withWorkflow(flow, scriptWorkflow(workflow, parts));
  const plan = planOf(flow);
  return withPlan(flow, { ...plan, ...scriptBody(plan, parts) });
}

/** The names of the flow's tasks, those inside of maps too. */
export function taskNames(flow: AnyFlow): readonly string[] {
  return namesIn(planOf(flow));
}

/** `scan` of `scan[3]`, which is the task for one item of a map. */
export function templateOf(name: string): string {
  return name.replace(/(?:\[\d+\])+$/, '');
}

/**
 * Throws an InvalidArgumentError for a task that the flow doesn't have, and for numbers out of range.
 * What steps a durable function has nobody knows before it runs.
 */
export function checkScripts(flow: AnyFlow, scripts: TaskScripts): void {
  const { fail = {}, failRevert = {}, delay = {}, stub = {} } = scripts;
  if (!workflowOf(flow)) checkNames(flow, { fail, failRevert, delay, stub });
  for (const [field, rules] of Object.entries({ fail, failRevert })) {
    for (const [name, rule] of Object.entries(rules)) checkFailing(rule, `${field}.${name}`);
  }
  for (const [name, each] of Object.entries(delay)) {
    const { execute, revert } = typeof each === 'number' ? { execute: each } : { ...each };
    const range = { min: 0, max: Number.MAX_SAFE_INTEGER, whole: false };
    checkNumber(`delay.${name}.execute`, execute, range);
    checkNumber(`delay.${name}.revert`, revert, range);
  }
}

function checkNames(flow: AnyFlow, scripts: Readonly<Record<string, object>>): void {
  const names = taskNames(flow);
  const plain = new Set(planOf(flow).nodes.map(({ name }) => name));
  for (const [field, rules] of Object.entries(scripts)) {
    for (const name of Object.keys(rules)) {
      const template = templateOf(name);
      // Only what a map does is done for items.
      const isKnown = names.includes(template) && (name === template || !plain.has(template));
      if (isKnown) continue;
      const allowed = `a task of flow ${flow.name}: ${names.join(', ')}`;
      throw new InvalidArgumentError(field, { value: name, allowed });
    }
  }
}

function checkFailing(rule: Failing | undefined, field: string): void {
  const { tries } = ruleOf(rule);
  const range = { min: 1, max: Number.MAX_SAFE_INTEGER, whole: true };
  for (const each of [tries ?? 1].flat()) checkNumber(field, each, range);
}

function namesIn({ nodes }: PlanBody): readonly string[] {
  return nodes.flatMap(({ name, task, role }) => [
    ...(task ? [name] : []),
    ...(role.kind === 'fork' ? namesIn(role.body) : []),
  ]);
}

function scriptBody(body: PlanBody, parts: ScriptParts): PlanBody {
  return { ...body, nodes: body.nodes.map((node) => scriptNode(node, parts)) };
}

function scriptNode(node: PlanNode, parts: ScriptParts): PlanNode {
  const { role, task } = node;
  return {
    ...node,
    task: task && scriptTask(task, parts),
    role: role.kind === 'fork' ? { ...role, body: scriptBody(role.body, parts) } : role,
  };
}

function scriptTask(spec: TaskSpec, parts: ScriptParts): TaskSpec {
  const { revert } = spec;
  const hasRevert = revert !== undefined || isRevertStubbed(spec.name, parts);
  return {
    ...spec,
    execute: (args, ctx) =>
      perform(parts, { kind: 'execute', args, ctx }, () => spec.execute(args, ctx)),
    ...(hasRevert
      ? {
          revert: (args, ctx) =>
            perform(parts, { kind: 'revert', args, ctx }, () => revert?.(args, ctx)),
        }
      : {}),
  };
}

function isRevertStubbed(name: string, { scripts }: ScriptParts): boolean {
  return Object.entries(scripts.stub ?? {}).some(
    ([stubbed, stub]) => stub?.revert !== undefined && templateOf(stubbed) === name,
  );
}

/** Puts the scripts around the code of each step that the function asks for. */
function scriptWorkflow(spec: WorkflowSpec, parts: ScriptParts): WorkflowSpec {
  type Step = (name: string, execute: unknown, options?: { readonly revert?: unknown }) => unknown;
  return {
    ...spec,
    run: (ctx, input) => {
      // Its signatures say what comes back of what; to the scripts it makes no difference.
      const { step: own } = ctx as { readonly step: Step };
      const step: Step = (name, execute, options = {}) =>
        own(name, scriptCode(execute, 'execute', parts), {
          ...options,
          revert:
            options.revert || isRevertStubbed(name, parts)
              ? scriptCode(options.revert ?? nothing, 'revert', parts)
              : undefined,
        });
      return spec.run({ ...ctx, step: step as WorkflowContext['step'] }, input);
    },
  };
}

function nothing(): void {}

/** What is no function is left for the engine to refuse. */
function scriptCode(code: unknown, kind: ScriptedCall['kind'], parts: ScriptParts): unknown {
  if (typeof code !== 'function') return code;
  // Only the engine calls it, with what it calls the code of a step with.
  const own = code as (ctx: CallContext) => unknown;
  return (ctx: CallContext) => perform(parts, { kind, args: {}, ctx }, () => own(ctx));
}

/** A function as it is; anything else as what a function returns. */
function standIn(stub: unknown): (args: unknown, ctx: unknown) => unknown {
  // The test says that it takes what the task's own function takes; only the engine calls it.
  if (typeof stub === 'function') return stub as (args: unknown, ctx: unknown) => unknown;
  return () => stub;
}

interface ScriptedCall {
  readonly kind: 'execute' | 'revert';
  readonly args: Readonly<Record<string, unknown>>;
  readonly ctx: CallContext;
}

async function perform(
  parts: ScriptParts,
  call: ScriptedCall,
  own: () => unknown,
): Promise<unknown> {
  const { kind, args, ctx } = call;
  const { task, attempt, try: tryNumber, idempotencyKey } = ctx;
  parts.called({ task, kind, try: tryNumber, attempt, idempotencyKey, args });
  const { fail, failRevert, delay, stub } = parts.scripts;
  const delayMs = delayOf(scriptOf(delay, task), kind);
  if (delayMs > 0) await sleep(parts.clock, delayMs, { signal: ctx.signal });
  ctx.signal.throwIfAborted();
  const rule = ruleOf(scriptOf(kind === 'execute' ? fail : failRevert, task));
  const error = errorOf(rule, call);
  if (error && rule.when !== 'after') throw error;
  const stubs = scriptOf(stub, task) ?? {};
  const isStubbed = kind === 'execute' ? 'execute' in stubs : stubs.revert !== undefined;
  const result = await parts.work.run(isStubbed ? () => standIn(stubs[kind])(args, ctx) : own);
  if (error) throw error;
  return result;
}

/** What is said of this very item of a map, else of the task. */
function scriptOf<Value>(scripts: ByTask<Value> | undefined, task: string): Value | undefined {
  return scripts?.[task] ?? scripts?.[templateOf(task)];
}

function delayOf(delay: TaskDelay | undefined, kind: ScriptedCall['kind']): number {
  if (typeof delay === 'number') return kind === 'execute' ? delay : 0;
  return delay?.[kind] ?? 0;
}

/** A rule that no try meets stands for none. */
const NEVER: FailRule = { tries: [] };

function ruleOf(failing: Failing | undefined): FailRule {
  if (failing === undefined) return NEVER;
  if (typeof failing === 'number') return { tries: failing };
  return failing instanceof Error ? { error: failing } : failing;
}

function errorOf({ tries, error }: FailRule, { kind, ctx }: ScriptedCall): Error | undefined {
  const isMeant = typeof tries === 'number' ? ctx.try <= tries : (tries?.includes(ctx.try) ?? true);
  if (!isMeant) return undefined;
  if (typeof error === 'function') return error(ctx.try);
  return error ?? new Error(`the test makes ${kind} of task ${ctx.task} fail, try ${ctx.try}`);
}
