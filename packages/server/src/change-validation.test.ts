import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { encodeJson, InvalidArgumentError, LIMITS, PayloadTooLargeError } from '@holdfast/core';
import { ChangeJobRequestSchema, ForkJobRequestSchema, payloadToProto } from '@holdfast/wire';
import { describe, expect, it } from 'vitest';
import { parseChange, parseFork } from './change-validation.ts';
import { InputSchemas } from './input-schemas.ts';

const id = '01k9zsvm4p8x2q7c5t3r6y1w0n';
const schemas = new InputSchemas();

type ChangeFields = Exclude<MessageInitShape<typeof ChangeJobRequestSchema>, { $typeName: string }>;

function change(fields: ChangeFields): ReturnType<typeof parseChange> {
  return parseChange(create(ChangeJobRequestSchema, { id, by: 'ada', ...fields }), schemas);
}

function fieldsOf(parse: () => unknown): readonly string[] {
  try {
    parse();
  } catch (error) {
    if (error instanceof InvalidArgumentError) return error.violations.map(({ field }) => field);
    throw error;
  }
  return [];
}

function setting(value: unknown) {
  const values = payloadToProto(encodeJson(value));
  return { change: { case: 'setResult' as const, value: { task: 'a', values } } };
}

describe('a change', () => {
  it('says what is to be changed, by whom and why', () => {
    const retry = { change: { case: 'retryFrom' as const, value: { task: 'scan[3]' } } };
    const fields = { changes: [retry, setting({ x: 1 })], reason: 'why', resume: true };
    expect(change(fields)).toEqual({
      id,
      change: {
        changes: [
          { kind: 'retryFrom', task: 'scan[3]' },
          { kind: 'setResult', task: 'a', values: encodeJson({ x: 1 }) },
        ],
        by: 'ada',
        reason: 'why',
        resume: true,
        isDryRun: false,
      },
    });
  });

  it('that is malformed is refused with every field', () => {
    const broken = { contentType: 'application/json', data: Buffer.from('{') };
    const fields = fieldsOf(() =>
      change({
        id: 'x',
        by: ' ',
        reason: 'r'.repeat(LIMITS.requestReasonLength + 1),
        changes: [
          {},
          { change: { case: 'skip', value: { task: '', values: broken } } },
          { change: { case: 'resolveRevert', value: { task: '' } } },
          setting([1]),
          { change: { case: 'skip', value: { task: 'a', values: { contentType: 'a/b' } } } },
        ],
      }),
    );
    expect(fields).toEqual([
      ...['id', 'changes[0]', 'changes[1].skip.task', 'changes[1].skip.values'],
      ...['changes[2].resolve_revert.task', 'changes[3].set_result.values'],
      ...['changes[4].skip.values.content_type', 'by', 'reason'],
    ]);
    expect(fieldsOf(() => change({ by: 'b'.repeat(LIMITS.operatorLength + 1) }))).toEqual([
      'changes',
      'by',
    ]);
    const many = Array.from({ length: LIMITS.changesPerRequest + 1 }, () => setting({}));
    expect(fieldsOf(() => change({ changes: many }))).toEqual(['changes']);
  });

  it('whose values are too large is refused by their size', () => {
    const data = new Uint8Array(LIMITS.payloadBytes + 1);
    const values = { contentType: 'application/json', data };
    const changes = [{ change: { case: 'setResult' as const, value: { task: 'a', values } } }];
    expect(() => change({ changes })).toThrow(PayloadTooLargeError);
  });
});

describe('a fork', () => {
  it('takes values and tasks to skip, and nothing else', () => {
    const request = create(ForkJobRequestSchema, {
      id,
      by: 'ada',
      fromTask: 'a',
      queue: 'not a queue',
      idempotencyKey: 'k'.repeat(LIMITS.idempotencyKeyLength + 1),
      changes: [setting({}), { change: { case: 'revert', value: {} } }],
      input: { contentType: 'no type' },
    });
    expect(fieldsOf(() => parseFork(request, schemas))).toEqual([
      ...['changes[1]', 'queue', 'idempotency_key', 'input.content_type'],
    ]);
    const least = create(ForkJobRequestSchema, { id, by: 'ada' });
    expect(parseFork(least, schemas).fork).toEqual({ by: 'ada', reason: '', changes: [] });
  });
});
