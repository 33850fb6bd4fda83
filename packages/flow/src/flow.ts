import { type FlowType, InvalidArgumentError, LIMITS, parseName } from '@holdfast/core';
import { compile } from './compile.ts';
import type { CompiledGraph } from './compiled-graph.ts';
import { digestOf } from './digest.ts';
import type { FlowPlan } from './flow-plan.ts';
import type {
  CheckedBody,
  CheckedInput,
  CheckedOutput,
  InputSchema,
  OutputValues,
  PostedInput,
} from './flow-wiring-type.ts';
import { isItem } from './item.ts';
import { checkMigrations, type Migration } from './migration.ts';
import { checkNumber, checkRetry, mergeRetry, type RetryOptions } from './retry-options.ts';
import { checkRuns } from './runs-where.ts';
import { isSchema, jsonSchemaOf } from './schema.ts';
import type { RunsWhere } from './task.ts';
import type { Item } from './wiring-type.ts';

// Registered under a global key, so that a flow made by another copy of this package is one too.
const PLAN: unique symbol = Symbol.for('@holdfast/flow plan 1');

/**
 * A flow: what a worker registers and runs, and in its type what a client has to know to post to it
 * and to read its output. Frozen.
 */
export interface Flow<Input = unknown, Output = unknown> extends FlowType<Input, Output> {
  readonly name: string;
  readonly description: string;
  readonly graph: CompiledGraph;
  /** JSON Schema (draft 2020-12) of the input, as JSON text; '' when the schema's library offers none. */
  readonly inputSchemaJson: string;
  /** Tells one shape of the flow from another: a hash over its name, description, input schema and graph. */
  readonly digest: string;
  /** Tells one generation of the flow's code from another, where jobs of the one can't simply go on with the other. */
  readonly version: number;
  /** Earlier versions whose jobs this one goes on with, the earliest first. */
  readonly continues: readonly number[];
  /** For the engine. */
  readonly [PLAN]: FlowPlan;
}

/** Any flow, whatever it takes and puts out. */
export type AnyFlow = Flow;

/** The highest version of a flow. */
export const FLOW_VERSION_MAX = 1_000_000;

const TIMEOUT_RANGE = { min: 1, max: LIMITS.durationMaxMs, whole: true };
const VERSION_RANGE = { min: 1, max: FLOW_VERSION_MAX, whole: true };

/** What {@link flow} takes. */
export interface FlowDefinition<Input, Body, Output> {
  /** 1 to 128 letters, digits, dots, dashes and underscores. */
  readonly name: string;
  /** For people; shown where flows are listed. */
  readonly description?: string | undefined;
  /**
   * A schema whose values are objects; their keys are the names that tasks may require. Default: no
   * input. It has to yield the same value every time, because each attempt of a job validates anew.
   */
  readonly input?: Input | undefined;
  readonly body: Body;
  /** Names of the values that make up the output. Default: all that the tasks provide. */
  readonly output?: Output | undefined;
  /** A whole number from 1 to {@link FLOW_VERSION_MAX}. Default: 1. */
  readonly version?: number | undefined;
  /**
   * For each earlier version whose jobs this one goes on with, what becomes of their records; `{}` where
   * nothing does. Each leads to this version at once, not to the next one. Jobs of versions that aren't
   * named here are left to workers that still have them. Default: none.
   */
  readonly migrations?: Readonly<Record<number, Migration>> | undefined;
  /** For tasks that have no policy of their own. Default: core's `DEFAULT_RETRY`. */
  readonly retry?: RetryOptions | undefined;
  /**
   * The flow fails, and everything is reverted, when it has not come to its end so many milliseconds
   * after its first attempt began, pauses, waits and time without a worker included; reverts may take longer.
   * A whole number from 1 to `LIMITS.durationMaxMs`. Default: no limit.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Where tasks run that don't say it themselves: see `runs` of `task()`. Everything else of a flow,
   * controllers, choices, maps, pauses and waits, runs where the flow does. Default: 'here'.
   */
  readonly runs?: RunsWhere | undefined;
}

/**
 * Makes a flow of tasks and patterns. Wiring that is known to be wrong doesn't compile; what the
 * compiler can't know is checked here again: throws `WiringError` with every problem, and
 * `InvalidArgumentError` for a malformed name, schema or policy.
 *
 * @example
 * export const welcome = flow({
 *   name: 'welcome',
 *   input: z.object({ who: z.string() }),
 *   body: linear('main', greet, send),
 *   output: ['greeting'],
 * });
 */
export function flow<
  const Body extends Item,
  Schema extends InputSchema | undefined = undefined,
  const Output extends readonly string[] = readonly string[],
>(
  definition: FlowDefinition<
    CheckedInput<Schema>,
    CheckedBody<Body, Schema>,
    CheckedOutput<Body, Output>
  >,
): Flow<PostedInput<Schema>, OutputValues<Body, Output>> {
  const { name } = definition;
  parseName(name, 'flow.name');
  const field = `flow(${name})`;
  const { body, input, output } = checkParts(definition, field);
  checkRetry(definition.retry, `${field}.retry`);
  const { version = 1 } = definition;
  checkNumber(`${field}.version`, version, VERSION_RANGE);
  checkNumber(`${field}.timeoutMs`, definition.timeoutMs, TIMEOUT_RANGE);
  const runs = checkRuns(definition.runs, `${field}.runs`) ?? 'here';
  const compiled = compile({ flow: name, body, input, output, runs });
  const migrations = checkMigrations(definition.migrations, {
    field,
    version,
    body: compiled.plan,
  });
  const shape = {
    name,
    description: definition.description ?? '',
    inputSchemaJson: inputSchemaJsonOf(input),
    graph: compiled.graph,
  };
  const plan: FlowPlan = Object.freeze({
    ...compiled.plan,
    input,
    retry: mergeRetry(definition.retry),
    runs,
    version,
    migrations,
    totalMs: definition.timeoutMs,
  });
  const continues = Object.freeze([...migrations.keys()]);
  return Object.freeze({ ...shape, version, continues, digest: digestOf(shape), [PLAN]: plan });
}

/** True for what {@link flow} made. */
export function isFlow(value: unknown): value is AnyFlow {
  return typeof value === 'object' && value !== null && PLAN in value;
}

/** What the engine needs of a flow. */
export function planOf(flow: AnyFlow): FlowPlan {
  return flow[PLAN];
}

/** The same flow with another plan: for the testing kit, which puts its own code around the tasks'. */
export function withPlan(flow: AnyFlow, plan: FlowPlan): AnyFlow {
  return Object.freeze({ ...flow, [PLAN]: plan });
}

/** Checks what the types can't promise to a caller without them. */
function checkParts(
  definition: FlowDefinition<unknown, unknown, unknown>,
  field: string,
): { body: Item; input: InputSchema | undefined; output: readonly string[] | undefined } {
  const { body, input, output } = definition;
  if (!isItem(body)) {
    throw new InvalidArgumentError(`${field}.body`, {
      value: typeof body,
      allowed: 'a task or a pattern',
    });
  }
  if (input !== undefined && !isSchema(input)) {
    throw new InvalidArgumentError(`${field}.input`, {
      value: typeof input,
      allowed: 'a schema that implements Standard Schema',
    });
  }
  if (output !== undefined && !Array.isArray(output)) {
    throw new InvalidArgumentError(`${field}.output`, {
      value: typeof output,
      allowed: 'an array of names that tasks provide',
    });
  }
  // The types of the schema's values and of the array's items are checked where they are used.
  return { body, input: input as InputSchema | undefined, output: output as string[] | undefined };
}

function inputSchemaJsonOf(input: InputSchema | undefined): string {
  if (!input) return NO_INPUT_SCHEMA;
  const schema = jsonSchemaOf(input, 'input');
  return schema ? JSON.stringify(schema) : '';
}

// A flow without an input schema takes nothing: an empty object, or null as the absence of a value.
const NO_INPUT_SCHEMA = JSON.stringify({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: ['object', 'null'],
  maxProperties: 0,
});
