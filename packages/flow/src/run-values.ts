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
  type Logger,
  type Payload,
  PayloadTooLargeError,
} from '@holdfast/core';
import type { FlowPlan, PlanProvider, PlanSource } from './flow-plan.ts';
import { type Schemas, validate } from './schema.ts';
import type { TaskSpec } from './task.ts';
import type { Names } from './task-wiring-type.ts';

export type Values = Readonly<Record<string, unknown>>;

/** Undeclared keys of a result that a log line names; an object returned by mistake may have thousands. */
const STRANGERS_SHOWN = 10;

/**
 * Validates the flow's input. Throws InvalidArgumentError naming every wrong field, or what the
 * schema itself throws. What it returns is frozen through and through: all tasks share it.
 */
export async function readInput(plan: FlowPlan, input: Payload): Promise<Values> {
  const value = decodeInput(input) ?? {};
  if (!plan.input) {
    if (isObject(value) && Object.keys(value).length === 0) return value;
    throw new InvalidArgumentError([
      { field: 'input', description: 'is not empty, but the flow takes no input' },
    ]);
  }
  const validation = await validate(plan.input, value, 'input');
  if (validation.kind === 'invalid') throw new InvalidArgumentError(validation.violations);
  if (isObject(validation.value)) return freezeDeep(validation.value);
  throw new InvalidArgumentError('input', {
    value: nameKind(validation.value),
    allowed: 'an object, whose keys are the names that tasks require',
  });
}

function decodeInput(input: Payload): unknown {
  try {
    return decodeJson(input);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new InvalidArgumentError([{ field: 'input', description: problem }]);
  }
}

/** Looks up what a provider provides; undefined when its node was ignored. */
export type ValueLookup = (provider: PlanProvider) => { readonly value: unknown } | undefined;

/**
 * The arguments of a task: those of `execute`, whose schemas are `task.requires`, or those of its
 * `revert`. Throws InvalidArgumentError naming every value that its schema refuses.
 */
export async function readArguments(
  task: TaskSpec,
  sources: readonly PlanSource[],
  lookup: ValueLookup,
): Promise<Values> {
  const values = collectValues(task.requires, { task, sources, lookup });
  return await checkAll(task.requires, values, { field: 'requires', outer: task.needs });
}

/** The arguments of a task's `revert`; see {@link readArguments}. */
export async function readRevertArguments(
  task: TaskSpec,
  sources: readonly PlanSource[],
  lookup: ValueLookup,
): Promise<Values> {
  const values = collectValues(task.revertRequires, { task, sources, lookup });
  const field = task.revertRequires === task.requires ? 'requires' : 'revertRequires';
  return await checkAll(task.revertRequires, values, { field, outer: task.needs });
}

/** The values that these schemas are for, found or injected. */
function collectValues(
  schemas: Schemas,
  from: {
    readonly task: TaskSpec;
    readonly sources: readonly PlanSource[];
    readonly lookup: ValueLookup;
  },
): Values {
  const { task, sources, lookup } = from;
  const wanted = sources.filter(({ name }) => Object.hasOwn(schemas, name));
  return { ...findValues(wanted, lookup), ...task.inject };
}

/** The values of these sources; undefined where all who might provide one were ignored. */
export function findValues(sources: readonly PlanSource[], lookup: ValueLookup): Values {
  const found: Record<string, unknown> = {};
  for (const source of sources) found[source.name] = findValue(source, lookup);
  return found;
}

/** The value of one source; undefined where all who might provide it were ignored. */
export function findValue(source: PlanSource, lookup: ValueLookup): unknown {
  for (const provider of source.from) {
    const hit = lookup(provider);
    if (hit) return hit.value;
  }
  return undefined;
}

/** What a task provided, from its checkpoint. */
export function readResult(record: AtomRecord): Values {
  assert(record.result, `task ${record.name} has succeeded, so it has a result`);
  return decodeJson(record.result) as Values; // written by encodeResult, which stores an object
}

/**
 * What a task returned, as it is stored. Throws InvalidArgumentError naming every value that is
 * missing or wrong, TypeError for what JSON can't hold, PayloadTooLargeError for what is too large.
 * What the task returned besides is not stored, and a log line says so.
 */
export async function encodeResult(
  task: TaskSpec,
  returned: unknown,
  log: Logger,
): Promise<Payload> {
  warnOfStrangers(task, returned, log);
  const names = Object.keys(task.provides);
  if (names.length === 0) return encodeJson({});
  if (!isObject(returned)) {
    throw new InvalidArgumentError('result', {
      value: nameKind(returned),
      allowed: `an object with ${names.join(', ')}`,
    });
  }
  const missing = names.filter((name) => !(name in returned));
  if (missing.length > 0) {
    throw new InvalidArgumentError(
      missing.map((name) => ({
        field: `provides.${name}`,
        description: 'is missing from what execute returned',
      })),
    );
  }
  return encodeValues(
    await checkAll(task.provides, returned, { field: 'provides', outer: {} }),
    `the result of task ${task.name}`,
  );
}

/** The flow's output. Throws PayloadTooLargeError. */
export function encodeOutput(plan: FlowPlan, lookup: ValueLookup): Payload {
  return encodeValues(findValues(plan.output, lookup), 'the output of the flow');
}

/** Values as they are stored. Throws PayloadTooLargeError; `what` says of what. */
export function encodeValues(value: Values, what: string): Payload {
  const payload = encodeJson(value);
  const sizeBytes = payload.data.length;
  if (sizeBytes <= LIMITS.payloadBytes) return payload;
  throw new PayloadTooLargeError(what, { sizeBytes, limitBytes: LIMITS.payloadBytes });
}

/** `at.outer` says what the flow calls a value, which a violation names where it is another name. */
async function checkAll(
  schemas: Schemas,
  values: Values,
  at: { readonly field: string; readonly outer: Names },
): Promise<Values> {
  const checked: Record<string, unknown> = {};
  const violations: FieldViolation[] = [];
  for (const [name, schema] of Object.entries(schemas)) {
    const validation = await validate(schema, values[name], `${at.field}.${name}`);
    if (validation.kind === 'valid') checked[name] = validation.value;
    else violations.push(...validation.violations.map((each) => nameBoth(each, name, at.outer)));
  }
  if (violations.length > 0) throw new InvalidArgumentError(violations);
  return checked;
}

function nameBoth(violation: FieldViolation, name: string, outer: Names): FieldViolation {
  const called = own(outer, name);
  if (called === undefined || called === name) return violation;
  return { ...violation, description: `${violation.description} (the flow's '${called}')` };
}

function warnOfStrangers(task: TaskSpec, returned: unknown, log: Logger): void {
  if (returned === undefined || returned === null) return;
  const strangers = isObject(returned)
    ? Object.keys(returned).filter((name) => !Object.hasOwn(task.provides, name))
    : [nameKind(returned)];
  if (strangers.length === 0) return;
  log.warn(
    { notStored: strangers.slice(0, STRANGERS_SHOWN) },
    'the task returned more than it provides; what it does not declare is not stored',
  );
}

/** A name may be one that every object inherits, such as `constructor`; that is no value. */
export function own<Value>(
  values: Readonly<Record<string, Value>>,
  name: string,
): Value | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}

function isObject(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function nameKind(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** Freezes plain objects and arrays; what a schema made of a class has a life of its own. */
function freezeDeep<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return value;
  Object.freeze(value);
  for (const inner of Object.values(value)) freezeDeep(inner);
  return value;
}
