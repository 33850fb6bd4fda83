// Makes the object that a durable function works with: checks what it is called with, and passes on
// what is asked for to the run.
import { createHash } from 'node:crypto';
import { InvalidArgumentError, LIMITS, type Logger, MAX_TIMER_MS, parseName } from '@holdfast/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { checkNumber, checkRetry, type RetryOptions } from './retry-options.ts';
import type { RunIdentity } from './run-options.ts';
import { isSchema } from './schema.ts';
import type { RevertContext, TaskContext } from './task-context.ts';
import type { WorkflowContext } from './workflow-context.ts';
import type { AskSpec, SleepSpec, StepSpec, WaitSpec } from './workflow-spec.ts';

/** What the run of a workflow does for its function. */
export interface WorkflowHost {
  readonly identity: RunIdentity;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** True while the function is given what earlier attempts recorded. */
  readonly isReplaying: () => boolean;
  readonly now: () => number;
  /** The step whose own code is calling, if one's is. */
  readonly currentStep: () => string | undefined;
  readonly ask: (name: string, spec: AskSpec) => Promise<unknown>;
}

interface AnyStepOptions {
  readonly retry?: RetryOptions | undefined;
  readonly timeoutMs?: number | undefined;
  readonly revert?: ((ctx: RevertContext<never>) => unknown) | undefined;
  readonly schema?: StandardSchemaV1 | undefined;
}

interface AnyWaitOptions {
  readonly event: string;
  readonly timeoutMs?: number | undefined;
  readonly schema?: StandardSchemaV1 | undefined;
}

export function createWorkflowContext(host: WorkflowHost): WorkflowContext {
  const { jobId, attempt } = host.identity;
  const ask = (name: string, make: () => AskSpec): Promise<unknown> =>
    quiet(askChecked(host, name, make));
  const context = {
    jobId,
    attempt,
    signal: host.signal,
    log: logUnlessReplaying(host),
    step: (name: string, execute: (ctx: TaskContext) => unknown, options?: AnyStepOptions) =>
      ask(name, () => stepSpec(name, execute, options ?? {})),
    sleep: (name: string, ms: number) => quiet(ask(name, () => sleepSpec(name, ms)).then(nothing)),
    waitFor: (name: string, options: AnyWaitOptions) => ask(name, () => waitSpec(name, options)),
    all: (items: Readonly<Record<string, unknown>> | readonly unknown[]) => quiet(all(items)),
    now: () => host.now(),
    random: (name: string) => randomOf(jobId, name),
    uuid: (name: string) => uuidOf(jobId, name),
  };
  // What the results are in detail is known to the signatures of WorkflowContext alone.
  return context as WorkflowContext;
}

function nothing(): void {}

/** Rejects rather than throws: whoever asks for several things at once awaits them together. */
async function askChecked(host: WorkflowHost, name: string, make: () => AskSpec): Promise<unknown> {
  const outer = host.currentStep();
  if (outer !== undefined) {
    throw new InvalidArgumentError(`step(${outer})`, {
      value: `'${name}' asked for inside of it`,
      allowed: 'steps, sleeps and waits that the function itself asks for, not one of its steps',
    });
  }
  parseName(name, 'name of a step');
  return await host.ask(name, make());
}

function stepSpec(
  name: string,
  execute: (ctx: TaskContext) => unknown,
  { retry, timeoutMs, revert, schema }: AnyStepOptions,
): StepSpec {
  const field = `step(${name})`;
  checkFunction(field, execute);
  if (revert !== undefined) checkFunction(`${field}.revert`, revert);
  checkRetry(retry, `${field}.retry`);
  checkNumber(`${field}.timeoutMs`, timeoutMs, { min: 1, max: MAX_TIMER_MS, whole: true });
  // The engine reverts a step with its own result only, which the type was inferred from.
  const call = revert as ((ctx: RevertContext) => unknown) | undefined;
  checkSchema(`${field}.schema`, schema);
  return { kind: 'step', execute, revert: call, schema, retry, timeoutMs };
}

function sleepSpec(name: string, ms: number): SleepSpec {
  checkNumber(`sleep(${name})`, ms ?? Number.NaN, DURATION);
  return { kind: 'sleep', ms };
}

function waitSpec(name: string, { event, timeoutMs, schema }: AnyWaitOptions): WaitSpec {
  const field = `waitFor(${name})`;
  parseName(event, `${field}.event`);
  checkNumber(`${field}.timeoutMs`, timeoutMs, DURATION);
  checkSchema(`${field}.schema`, schema);
  return { kind: 'wait', event, schema, timeoutMs };
}

const DURATION = { min: 0, max: LIMITS.durationMaxMs, whole: false } as const;

function checkFunction(field: string, value: unknown): void {
  if (typeof value === 'function') return;
  throw new InvalidArgumentError(field, { value: typeof value, allowed: 'a function' });
}

function checkSchema(field: string, value: unknown): void {
  if (value === undefined || isSchema(value)) return;
  const allowed = 'a schema that implements Standard Schema';
  throw new InvalidArgumentError(field, { value: typeof value, allowed });
}

async function all(
  items: Readonly<Record<string, unknown>> | readonly unknown[],
): Promise<unknown> {
  if (Array.isArray(items)) return await Promise.all(items);
  const values = await Promise.all(Object.values(items));
  return Object.fromEntries(Object.keys(items).map((key, index) => [key, values[index]]));
}

/** A function may leave a promise alone, a race that is lost for example; its rejection harms nobody. */
function quiet<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => undefined);
  return promise;
}

function logUnlessReplaying({ log, isReplaying }: WorkflowHost): Logger {
  const wrap = (inner: Logger): Logger => ({
    debug: (fields, message) => isReplaying() || inner.debug(fields, message),
    info: (fields, message) => isReplaying() || inner.info(fields, message),
    warn: (fields, message) => isReplaying() || inner.warn(fields, message),
    error: (fields, message) => isReplaying() || inner.error(fields, message),
    child: (fields) => wrap(inner.child(fields)),
  });
  return wrap(log);
}

function randomOf(jobId: string, name: string): number {
  // 48 bits, which a number holds exactly.
  return digestOf(jobId, 'random', name).readUIntBE(0, 6) / 2 ** 48;
}

/** RFC 9562, section 5.8: version 8 leaves it to whoever makes the UUID what its bits mean. */
function uuidOf(jobId: string, name: string): string {
  const bytes = digestOf(jobId, 'uuid', name).subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function digestOf(jobId: string, kind: string, name: string): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([jobId, kind, name]))
    .digest();
}
