import { describe, expect, it } from 'vitest';
import { sampleInput } from './sample-input.ts';

describe('a sample of an input', () => {
  it('has every required property, with a value of its type', () => {
    const schema = {
      type: 'object',
      properties: {
        who: { type: 'string' },
        times: { type: 'integer' },
        loud: { type: 'boolean', default: false },
        mode: { enum: ['a', 'b'] },
        nested: { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] },
        extra: { type: 'string' },
      },
      required: ['who', 'times', 'loud', 'mode', 'nested'],
    };
    expect(JSON.parse(sampleInput(JSON.stringify(schema)))).toEqual({
      who: '…',
      times: 1,
      loud: false,
      mode: 'a',
      nested: { x: 1 },
    });
  });

  it('is an empty object where nothing is known, or nothing taken', () => {
    expect(sampleInput('')).toBe('{}');
    expect(sampleInput('{"type":["object","null"],"maxProperties":0}')).toBe('{}');
  });
});
