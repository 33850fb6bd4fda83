/** What an operator may ask to change about a job, field by field (G9). Pure, but for the validators of schemas. */
import type { ChangeRequest, ForkRequest } from '@holdfast/board';
import {
  decodeJson,
  type JobId,
  JSON_CONTENT_TYPE,
  LIMITS,
  type Payload,
  parseJobId,
  type TaskChange,
} from '@holdfast/core';
import type { ChangeJobRequest, ForkJobRequest } from '@holdfast/wire';
import { FieldViolations } from './field-violations.ts';
import type { InputSchemas } from './input-schemas.ts';
import { checkPayload } from './job-validation.ts';

/** Any JSON will do for a look at a payload. */
const ANY_JSON = { name: 'values', inputSchemaJson: '' };
/** Characters of the name of a task's record: its own, and its places in maps. */
const RECORD_NAME_LENGTH = 2 * LIMITS.nameLength;

/** What changes are checked with. */
interface Checks {
  readonly violations: FieldViolations;
  readonly schemas: InputSchemas;
}

/** Throws InvalidArgumentError with every violation, or PayloadTooLargeError when that is all that is wrong. */
export function parseChange(
  request: ChangeJobRequest,
  schemas: InputSchemas,
): { readonly id: JobId; readonly change: ChangeRequest } {
  const violations = new FieldViolations();
  violations.attempt(() => parseJobId(request.id));
  if (request.changes.length === 0)
    violations.describe('changes', 'is empty; name what is to change');
  const changes = checkChanges(request.changes, { violations, schemas });
  checkWho(request, violations);
  violations.throwIfAny();
  const { by, reason, resume, dryRun: isDryRun } = request;
  return { id: parseJobId(request.id), change: { changes, by, reason, resume, isDryRun } };
}

/** Like {@link parseChange}. The input is only looked at as JSON: what it has to be is the flow's to say. */
export function parseFork(
  request: ForkJobRequest,
  schemas: InputSchemas,
): { readonly id: JobId; readonly fork: ForkRequest } {
  const violations = new FieldViolations();
  violations.attempt(() => parseJobId(request.id));
  const changes = checkChanges(request.changes, { violations, schemas });
  for (const [index, { kind }] of changes.entries()) {
    if (kind === 'setResult' || kind === 'skip') continue;
    violations.describe(`changes[${index}]`, 'is none that a fork takes: set_result and skip are');
  }
  checkWho(request, violations);
  if (request.fromTask !== '') checkTask('from_task', request.fromTask, violations);
  if (request.queue !== '') violations.name('queue', request.queue);
  violations.length('idempotency_key', request.idempotencyKey, LIMITS.idempotencyKeyLength);
  const input = request.input && checkPayload(request.input, { violations, path: 'input' });
  if (input && input.data.length <= LIMITS.payloadBytes)
    schemas.check(input, ANY_JSON, { violations, path: 'input' });
  violations.throwIfAny();
  const { by, reason } = request;
  const fork: ForkRequest = {
    fromTask: given(request.fromTask),
    input,
    changes,
    queue: given(request.queue),
    by,
    reason,
    idempotencyKey: given(request.idempotencyKey),
  };
  return { id: parseJobId(request.id), fork };
}

function given(text: string): string | undefined {
  return text === '' ? undefined : text;
}

function checkWho(
  { by, reason }: { readonly by: string; readonly reason: string },
  violations: FieldViolations,
): void {
  if (by.trim() === '') violations.describe('by', 'is empty; say who asks for it');
  violations.length('by', by, LIMITS.operatorLength);
  violations.length('reason', reason, LIMITS.requestReasonLength);
}

function checkTask(field: string, task: string, violations: FieldViolations): void {
  if (task === '') violations.describe(field, 'is empty; name a task');
  violations.length(field, task, RECORD_NAME_LENGTH);
}

function checkChanges(changes: ChangeJobRequest['changes'], checks: Checks): readonly TaskChange[] {
  const { violations } = checks;
  if (changes.length > LIMITS.changesPerRequest) {
    violations.add('changes', {
      value: `${changes.length} changes`,
      allowed: `at most ${LIMITS.changesPerRequest} in one request`,
    });
    return [];
  }
  return changes.flatMap((change, index) => checkChange(change, `changes[${index}]`, checks) ?? []);
}

function checkChange(
  { change }: ChangeJobRequest['changes'][number],
  path: string,
  checks: Checks,
): TaskChange | undefined {
  const { violations } = checks;
  switch (change.case) {
    case undefined:
      violations.describe(path, 'says nothing; set one of its fields');
      return undefined;
    case 'revert':
      return { kind: 'revert' };
    case 'setResult': {
      const { task, values } = change.value;
      checkTask(`${path}.set_result.task`, task, violations);
      const checked = values && checkValues(values, `${path}.set_result.values`, checks);
      return { kind: 'setResult', task, values: checked ?? NO_VALUES };
    }
    case 'skip': {
      const { task, values } = change.value;
      checkTask(`${path}.skip.task`, task, violations);
      const checked = values && checkValues(values, `${path}.skip.values`, checks);
      return { kind: 'skip', task, values: checked };
    }
    case 'retryFrom':
    case 'retryRevert':
    case 'resolveRevert': {
      const { task } = change.value;
      checkTask(`${path}.${FIELDS[change.case]}.task`, task, violations);
      return { kind: change.case, task };
    }
    default:
      return change satisfies never;
  }
}

const FIELDS = {
  retryFrom: 'retry_from',
  retryRevert: 'retry_revert',
  resolveRevert: 'resolve_revert',
} as const;

const NO_VALUES: Payload = {
  contentType: JSON_CONTENT_TYPE,
  data: new TextEncoder().encode('{}'),
};

/** Values are an object, in JSON: they are merged with those that a task has. */
function checkValues(values: Payload, path: string, { violations, schemas }: Checks): Payload {
  const before = violations.count;
  const payload = checkPayload(values, { violations, path });
  if (payload.data.length > LIMITS.payloadBytes || violations.count > before) return payload;
  if (payload.contentType !== JSON_CONTENT_TYPE) {
    violations.add(`${path}.content_type`, {
      value: payload.contentType,
      allowed: JSON_CONTENT_TYPE,
    });
    return payload;
  }
  schemas.check(payload, ANY_JSON, { violations, path });
  if (violations.count > before) return payload;
  const value: unknown = decodeJson(payload);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    violations.describe(path, 'is no object; give the values by their names');
  return payload;
}
