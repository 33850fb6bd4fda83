/**
 * Inputs against the JSON Schema that their flow registered.
 *
 * Owns compiled validators, by the text of the schema, so nothing here ever goes stale. Bounded: the
 * least recently used validator goes first.
 */
import {
  decodeJson,
  FailedPreconditionError,
  JSON_CONTENT_TYPE,
  type Payload,
} from '@holdfast/core';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { FieldViolations } from './field-violations.ts';

/** Compiled validators that are kept. */
export const COMPILED_SCHEMAS_MAX = 256;

/** What a flow says of its input. */
export interface FlowSchema {
  readonly name: string;
  /** JSON Schema (draft 2020-12), as JSON text; empty when there is none. */
  readonly inputSchemaJson: string;
}

/** Checks inputs; see the head of this file. */
export class InputSchemas {
  // A map keeps the order of insertion: the first entry is the least recently used one.
  readonly #validators = new Map<string, ValidateFunction>();
  readonly #ajv = createAjv();

  /** How many compiled validators are kept now. */
  get size(): number {
    return this.#validators.size;
  }

  /**
   * Notes one violation for each field of `input` that its flow's schema refuses, under `path`.
   * Input of another content type than JSON is the business of the flow's own codec. Throws
   * FailedPreconditionError when the registered schema itself can't be used.
   */
  check(input: Payload, flow: FlowSchema, noted: NotedUnder): void {
    if (input.contentType !== JSON_CONTENT_TYPE) return;
    let value: unknown;
    try {
      value = decodeJson(input);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      noted.violations.describe(
        noted.path,
        `cannot be read as ${JSON_CONTENT_TYPE} in UTF-8: ${reason}`,
      );
      return;
    }
    if (flow.inputSchemaJson === '') return;
    const validate = this.#validatorOf(flow);
    if (validate(value)) return;
    for (const [field, description] of describeErrors(validate.errors ?? [], noted.path)) {
      noted.violations.describe(field, description);
    }
  }

  #validatorOf(flow: FlowSchema): ValidateFunction {
    const { inputSchemaJson } = flow;
    const validate = this.#validators.get(inputSchemaJson) ?? this.#compile(flow);
    this.#validators.delete(inputSchemaJson);
    this.#validators.set(inputSchemaJson, validate);
    for (const leastRecent of this.#validators.keys()) {
      if (this.#validators.size <= COMPILED_SCHEMAS_MAX) break;
      this.#validators.delete(leastRecent);
    }
    return validate;
  }

  #compile(flow: FlowSchema): ValidateFunction {
    let schema: object | undefined;
    try {
      schema = JSON.parse(flow.inputSchemaJson) as object;
      return this.#ajv.compile(schema);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new FailedPreconditionError(
        `flow ${flow.name} registered an input schema that cannot be used: ${reason}; ` +
          'correct the schema and restart its workers',
        { ids: { flow: flow.name }, cause },
      );
    } finally {
      // A validator stands by itself; forgetting the schema lets another flow use the same $id.
      if (typeof schema === 'object' && schema !== null) this.#ajv.removeSchema(schema);
    }
  }
}

function createAjv(): Ajv2020 {
  // Strict mode is off because schema libraries write keywords of their own; verbose, so that an
  // error can show the value.
  const ajv = new Ajv2020({ allErrors: true, strict: false, verbose: true, logger: false });
  addFormats.default(ajv);
  return ajv;
}

/** Where violations are noted, and the path of the input in the request. */
export interface NotedUnder {
  readonly violations: FieldViolations;
  readonly path: string;
}

/** One description for each field, all that is wrong with it in one text. */
function describeErrors(errors: readonly ErrorObject[], path: string): Map<string, string> {
  const descriptions = new Map<string, string>();
  for (const error of errors) {
    const field = path + fieldOf(error);
    const description = describeError(error);
    const before = descriptions.get(field);
    if (before === undefined) descriptions.set(field, description);
    else if (!before.split('; ').includes(description)) {
      descriptions.set(field, `${before}; ${description}`);
    }
  }
  return descriptions;
}

function fieldOf(error: ErrorObject): string {
  const path = error.instancePath.split('/').slice(1).map(unescapePointer);
  const { missingProperty, additionalProperty, unevaluatedProperty } = error.params as {
    readonly missingProperty?: string;
    readonly additionalProperty?: string;
    readonly unevaluatedProperty?: string;
  }; // ajv's params differ by keyword; these three name a property of the object at the path.
  const property = missingProperty ?? additionalProperty ?? unevaluatedProperty;
  if (property !== undefined) path.push(property);
  return path.map(formatStep).join('');
}

function describeError(error: ErrorObject): string {
  switch (error.keyword) {
    case 'required':
    case 'dependentRequired':
      return 'is missing';
    case 'additionalProperties':
    case 'unevaluatedProperties':
      return 'is not a field of this input';
    case 'enum':
    case 'const': {
      const { allowedValues, allowedValue } = error.params as {
        readonly allowedValues?: readonly unknown[];
        readonly allowedValue?: unknown;
      }; // ajv's params of these two keywords.
      const allowed = (allowedValues ?? [allowedValue]).map((value) => JSON.stringify(value));
      return `must be ${allowed.join(' or ')}, got ${formatValue(error.data)}`;
    }
    default:
      return `${error.message ?? `breaks the rule ${error.keyword}`}, got ${formatValue(error.data)}`;
  }
}

/** A step of a JSON Pointer, unescaped (RFC 6901, section 4). */
function unescapePointer(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~');
}

function formatStep(step: string): string {
  if (/^\d+$/.test(step)) return `[${step}]`;
  return /^[A-Za-z_$][\w$-]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
}

// Characters of a value that an error message shows.
const SHOWN_VALUE_LENGTH = 60;

function formatValue(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > SHOWN_VALUE_LENGTH
    ? `${text.slice(0, SHOWN_VALUE_LENGTH)}… (${text.length} characters)`
    : text;
}
