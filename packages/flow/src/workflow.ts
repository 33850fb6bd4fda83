import { InvalidArgumentError } from '@holdfast/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type Flow, flow } from './flow.ts';
import type { CheckedInput, InputSchema, InputValues, PostedInput } from './flow-wiring-type.ts';
import { unordered } from './pattern.ts';
import { mergeRetry, type RetryOptions } from './retry-options.ts';
import type { Values } from './run-values.ts';
import { isSchema } from './schema.ts';
import type { StepResult, WorkflowContext } from './workflow-context.ts';
import { withWorkflow } from './workflow-spec.ts';

/** What {@link workflow} takes besides the function. */
export interface WorkflowDefinition<Input, Output> {
  /** 1 to 128 letters, digits, dots, dashes and underscores. */
  readonly name: string;
  /** For people; shown where flows are listed. */
  readonly description?: string | undefined;
  /** A schema whose values are objects. Default: no input. It has to yield the same value every time. */
  readonly input?: Input | undefined;
  /** What the function returns has to pass this schema. Default: anything that JSON can hold. */
  readonly output?: Output | undefined;
  /**
   * A whole number from 1 to `FLOW_VERSION_MAX`. Jobs that another version has begun are left to workers
   * that have it. There are no migrations, and mostly no need of a new version: changed code that doesn't
   * fit the records of a job is found. Default: 1.
   */
  readonly version?: number | undefined;
  /** For steps that have no policy of their own. Default: core's `DEFAULT_RETRY`. */
  readonly retry?: RetryOptions | undefined;
  /**
   * The function has failed, and everything is reverted, when it has not ended so many milliseconds after
   * its first attempt began; like `timeoutMs` of `flow()`. Default: no limit.
   */
  readonly timeoutMs?: number | undefined;
}

/** A definition without a schema for the output. */
type OpenDefinition<Input> = WorkflowDefinition<Input, undefined>;

/**
 * Makes a flow of a function that survives crashes: each `ctx.step` is checkpointed under its name, and
 * when the job goes on elsewhere, the function runs again from its beginning and gets the stored
 * results. Throws `InvalidArgumentError` for a malformed name, schema or policy.
 *
 * @example
 * export const order = workflow({ name: 'order', input: z.object({ item: z.string() }) }, async (ctx, { item }) => {
 *   const charge = await ctx.step('charge', () => pay(item), { revert: ({ result }) => refund(result) });
 *   await ctx.sleep('cool-off', 3_600_000);
 *   await ctx.step('ship', (step) => ship(item, step.idempotencyKey));
 *   return { charge };
 * });
 */
export function workflow<Returned>(
  name: string,
  run: (ctx: WorkflowContext, input: InputValues<undefined>) => Returned,
): Flow<PostedInput<undefined>, StepResult<Awaited<Returned>>>;
export function workflow<
  Output extends StandardSchemaV1,
  Input extends InputSchema | undefined = undefined,
>(
  definition: WorkflowDefinition<CheckedInput<Input>, Output> & { readonly output: Output },
  run: (
    ctx: WorkflowContext,
    input: InputValues<NoInfer<Input>>,
  ) =>
    | StandardSchemaV1.InferInput<NoInfer<Output>>
    | PromiseLike<StandardSchemaV1.InferInput<NoInfer<Output>>>,
): Flow<PostedInput<Input>, StepResult<StandardSchemaV1.InferOutput<Output>>>;
export function workflow<Returned, Input extends InputSchema | undefined = undefined>(
  definition: OpenDefinition<CheckedInput<Input>>,
  run: (ctx: WorkflowContext, input: InputValues<NoInfer<Input>>) => Returned,
): Flow<PostedInput<Input>, StepResult<Awaited<Returned>>>;
export function workflow(
  definition: string | WorkflowDefinition<unknown, unknown>,
  run: (ctx: WorkflowContext, input: never) => unknown,
): Flow<never, never> {
  const {
    name,
    description,
    input,
    output,
    retry,
    version,
    timeoutMs,
  }: WorkflowDefinition<unknown, unknown> =
    typeof definition === 'string' ? { name: definition } : definition;
  const base = flow({
    name,
    description,
    // Checked by flow() itself, as the rest of what a workflow has in common with any flow.
    input: input as StandardSchemaV1<unknown, Values> | undefined,
    // What is known of its graph before it runs is nothing.
    body: unordered('main'),
    version,
    retry,
    timeoutMs,
  });
  const field = `workflow(${name})`;
  if (typeof run !== 'function') {
    throw new InvalidArgumentError(field, { value: typeof run, allowed: 'a function' });
  }
  if (output !== undefined && !isSchema(output)) {
    throw new InvalidArgumentError(`${field}.output`, {
      value: typeof output,
      allowed: 'a schema that implements Standard Schema',
    });
  }
  // The engine calls the function only with what its input schema yielded, which the compiler can't follow.
  const call = run as (ctx: WorkflowContext, input: Values) => unknown;
  const spec = Object.freeze({ name, output, retry: mergeRetry(retry), run: call });
  // The types of input and output exist for the compiler only; the signatures above say them.
  return withWorkflow(base, spec) as Flow<never, never>;
}
