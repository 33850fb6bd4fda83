import { create } from '@bufbuild/protobuf';
import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { timestampFromProto, timestampToProto } from './timestamp.ts';

test('times before 1970 have positive nanos, as the format asks', () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), (unixMs) => {
      const timestamp = timestampToProto(unixMs);
      expect(timestamp.nanos).toBeGreaterThanOrEqual(0);
      expect(timestamp.nanos).toBeLessThan(1_000_000_000);
      expect(timestampFromProto(timestamp, 'x')).toBe(unixMs);
    }),
  );
});

test('a part of a millisecond counts as a whole one, so that nothing runs too early', () => {
  const timestamp = create(TimestampSchema, { seconds: 1n, nanos: 1 });
  expect(timestampFromProto(timestamp, 'NewJob.run_at')).toBe(1001);
});

test('a time beyond what a number holds is refused with its place', () => {
  const timestamp = create(TimestampSchema, { seconds: 2n ** 62n });
  expect(() => timestampFromProto(timestamp, 'NewJob.run_at')).toThrow(
    'NewJob.run_at is out of range',
  );
});
