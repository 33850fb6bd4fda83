// Calls the steps of a durable function and their reverts, and brings what they return into the form
// that is stored. The whole of a try happens under its timeout and inside the observer.
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  assert,
  decodeJson,
  encodeJson,
  type Failure,
  InvalidArgumentError,
  LIMITS,
  type Payload,
  PayloadTooLargeError,
} from '@holdfast/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { CallOutcome } from './call-outcome.ts';
import { performCall } from './perform-call.ts';
import type { RunOptions, TaskCallInfo } from './run-options.ts';
import { validate } from './schema.ts';
import type { CallContext } from './task-context.ts';
import { callTask } from './user-call.ts';
import { failureOf, type WorkflowBook } from './workflow-book.ts';
import type { Ask, StepSpec } from './workflow-spec.ts';

export interface WorkflowStepsParts {
  readonly options: RunOptions;
  readonly book: WorkflowBook;
  /** Aborts when nobody waits for the results of steps any more. */
  readonly stopSteps: AbortSignal;
  /** Aborts when the run is to stop. */
  readonly stop: AbortSignal;
  readonly abandoned: Promise<void>;
  /** Something was put that is to be written although no step has ended. */
  readonly kick: () => void;
}

/** See the head of this file. Its promises reject for defects only. */
export class WorkflowSteps {
  readonly #parts: WorkflowStepsParts;
  readonly #within = new AsyncLocalStorage<string>();

  constructor(parts: WorkflowStepsParts) {
    this.#parts = parts;
  }

  /** The step whose code asks, if it is the code of a step. */
  get current(): string | undefined {
    return this.#within.getStore();
  }

  /** One try of a step; its value is the result as it is to be stored. */
  async execute(name: string, step: StepSpec): Promise<CallOutcome<Payload>> {
    const { options, book } = this.#parts;
    const { tries, executions } = book.start(name);
    const info: TaskCallInfo = {
      task: name,
      kind: 'execute',
      try: tries,
      execution: executions,
      idempotencyKey: `${options.identity.jobId}/${name}/${tries}`,
    };
    const call = { info, step, stop: this.#parts.stopSteps };
    const outcome = await this.#call(call, async (ctx) => {
      const returned = await step.execute(ctx);
      return () => encodeChecked(step.schema, returned, `the result of step ${name}`);
    });
    // Every success comes from encodeChecked, above.
    return outcome as CallOutcome<Payload>;
  }

  /** One try of a step's revert. */
  async revert({ name, spec }: Ask, flowFailure: Failure): Promise<CallOutcome<unknown>> {
    assert(spec.kind === 'step' && spec.revert, `step ${name} has a revert`);
    const { revert } = spec;
    const { options, book } = this.#parts;
    const { jobId } = options.identity;
    const record = book.startRevert(name);
    const info: TaskCallInfo = {
      task: name,
      kind: 'revert',
      try: record.revertTries,
      execution: record.executions,
      idempotencyKey: `${jobId}/${name}/revert/${record.revertTries}`,
    };
    const failure = failureOf(record);
    const result = failure || !record.result ? undefined : decodeJson(record.result);
    const executeIdempotencyKey = `${jobId}/${name}/${Math.max(1, record.tries)}`;
    return await this.#call({ info, step: spec, stop: this.#parts.stop }, async (ctx) => {
      await revert({ ...ctx, result, failure, flowFailure, executeIdempotencyKey });
      return () => undefined;
    });
  }

  /** `run` calls the user's function, and returns how to bring its result into its final form. */
  async #call(
    {
      info,
      step,
      stop,
    }: { readonly info: TaskCallInfo; readonly step: StepSpec; readonly stop: AbortSignal },
    run: (ctx: CallContext) => Promise<() => unknown>,
  ): Promise<CallOutcome<unknown>> {
    const { options, book, abandoned, kick } = this.#parts;
    const { identity, clock, logger, observer = {}, mayCall = () => true } = options;
    const { task, kind, try: number } = info;
    if (!mayCall()) return { kind: 'interrupted' };
    const log = logger.child({ task, kind, try: number });
    return await callTask(
      { identity, clock, log, observer, stop, abandoned },
      {
        info,
        timeoutMs: step.timeoutMs,
        progress: (fraction, message) => {
          book.progress(task, fraction, message);
          kick();
        },
        recordError: (error) => {
          book.recordError(task, error);
          kick();
        },
        perform: async (ctx) => {
          if (stop.aborted || !mayCall()) return { kind: 'interrupted' };
          return await performCall(
            () => this.#within.run(task, run, ctx),
            `what step ${task} returned`,
          );
        },
      },
    );
  }
}

/**
 * The value as it is stored, once it has passed the schema. Throws InvalidArgumentError, TypeError for
 * what JSON can't hold, PayloadTooLargeError.
 */
export async function encodeChecked(
  schema: StandardSchemaV1 | undefined,
  value: unknown,
  what: string,
): Promise<Payload> {
  const payload = encodeJson(await checked(schema, value));
  const sizeBytes = payload.data.length;
  if (sizeBytes <= LIMITS.payloadBytes) return payload;
  throw new PayloadTooLargeError(what, { sizeBytes, limitBytes: LIMITS.payloadBytes });
}

async function checked(schema: StandardSchemaV1 | undefined, value: unknown): Promise<unknown> {
  if (!schema) return value;
  const validation = await validate(schema, value, 'value');
  if (validation.kind === 'invalid') throw new InvalidArgumentError(validation.violations);
  return validation.value;
}
