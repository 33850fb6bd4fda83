// The values of a run: the validated input, and what tasks provided, as their checkpoints hold it.
// A task always sees the decoded JSON of a checkpoint, passed through its own schema, so that a run
// that goes on after a crash sees what an uninterrupted one does.
import {
  type AtomRecord,
  assert,
  decodeJson,
  encodeJson,
  type FieldViolation,
  InvalidArgumentError,
  LIMITS,
  type Payload,
  PayloadTooLargeError,
} from '@holdfast/core';
import type { FlowPlan, PlanNode } from './flow-plan.ts';
import { type Schemas, validate } from './schema.ts';
import type { TaskSpec } from './task.ts';

type Values = Readonly<Record<string, unknown>>;

/** Validates the flow's input. Throws InvalidArgumentError naming every wrong field. */
export async function readInput(plan: FlowPlan, input: Payload): Promise<Values> {
  const value = decodeInput(input);
  if (!plan.input) return {};
  const validation = await validate(plan.input, value, 'input');
  if (validation.kind === 'invalid') throw new InvalidArgumentError(validation.violations);
  const isObject = typeof validation.value === 'object' && validation.value !== null;
  if (isObject) return validation.value as Values; // an object, as the check above says
  throw new InvalidArgumentError('input', { value: typeof validation.value, allowed: 'an object' });
}

function decodeInput(input: Payload): unknown {
  try {
    return decodeJson(input);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new InvalidArgumentError([{ field: 'input', description: problem }]);
  }
}

/** The arguments of a task. Throws InvalidArgumentError naming every value that its schema refuses. */
export async function readArguments(
  node: PlanNode,
  source: {
    readonly input: Values;
    readonly resultOf: (node: number) => AtomRecord;
  },
): Promise<Values> {
  assert(node.task, `${node.name} is a task`);
  const found: Record<string, unknown> = {};
  const decoded = new Map<number, Values>();
  for (const { value, node: from } of node.sources) {
    if (from === 'input') {
      found[value] = source.input[value];
      continue;
    }
    const values = decoded.get(from) ?? readResult(source.resultOf(from));
    decoded.set(from, values);
    found[value] = values[value];
  }
  return await checkAll(node.task.requires, found, 'requires');
}

/** What a task provided, from its checkpoint. */
export function readResult(record: AtomRecord): Values {
  assert(record.result, `task ${record.name} has succeeded, so it has a result`);
  return decodeJson(record.result) as Values; // written by encodeResult, which stores an object
}

/**
 * What a task returned, as it is stored. Throws InvalidArgumentError naming every value that is
 * missing or wrong, TypeError for what JSON can't hold, PayloadTooLargeError for what is too large.
 */
export async function encodeResult(task: TaskSpec, returned: unknown): Promise<Payload> {
  const names = Object.keys(task.provides);
  if (names.length === 0) return encodeJson({});
  if (typeof returned !== 'object' || returned === null) {
    throw new InvalidArgumentError('result', {
      value: returned === null ? 'null' : typeof returned,
      allowed: `an object with ${names.join(', ')}`,
    });
  }
  const payload = encodeJson(await checkAll(task.provides, returned as Values, 'provides')); // an object, see above
  if (payload.data.length > LIMITS.payloadBytes) {
    const sizeBytes = payload.data.length;
    throw new PayloadTooLargeError(`the result of task ${task.name}`, {
      sizeBytes,
      limitBytes: LIMITS.payloadBytes,
    });
  }
  return payload;
}

/** The flow's output. Throws PayloadTooLargeError. */
export function encodeOutput(plan: FlowPlan, resultOf: (node: number) => AtomRecord): Payload {
  const output: Record<string, unknown> = {};
  const decoded = new Map<number, Values>();
  for (const { value, node } of plan.output) {
    const values = decoded.get(node) ?? readResult(resultOf(node));
    decoded.set(node, values);
    output[value] = values[value];
  }
  const payload = encodeJson(output);
  if (payload.data.length <= LIMITS.payloadBytes) return payload;
  throw new PayloadTooLargeError('the output of the flow', {
    sizeBytes: payload.data.length,
    limitBytes: LIMITS.payloadBytes,
  });
}

async function checkAll(schemas: Schemas, values: Values, field: string): Promise<Values> {
  const checked: Record<string, unknown> = {};
  const violations: FieldViolation[] = [];
  for (const [name, schema] of Object.entries(schemas)) {
    const validation = await validate(schema, values[name], `${field}.${name}`);
    if (validation.kind === 'valid') checked[name] = validation.value;
    else violations.push(...validation.violations);
  }
  if (violations.length > 0) throw new InvalidArgumentError(violations);
  return checked;
}
