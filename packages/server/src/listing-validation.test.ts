import { create } from '@bufbuild/protobuf';
import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import { InvalidArgumentError } from '@holdfast/core';
import { ListJobsRequestSchema } from '@holdfast/wire';
import { expect, test } from 'vitest';
import { parseJobQuery, parsePage } from './listing-validation.ts';

test('an empty request is the first page of everything', () => {
  expect(parseJobQuery(create(ListJobsRequestSchema))).toEqual({ pageSize: 50 });
});

test('a filter is handed on field by field', () => {
  const request = create(ListJobsRequestSchema, {
    filter: {
      states: [2, 3, 3],
      flow: 'hello',
      queue: 'slow',
      taskJobs: true,
      postedAfter: create(TimestampSchema, { seconds: 1n }),
      postedBefore: create(TimestampSchema, { seconds: 2n }),
    },
    pageSize: 1000,
    pageToken: 'abc',
  });
  expect(parseJobQuery(request)).toEqual({
    states: ['ready', 'running'],
    flow: 'hello',
    queue: 'slow',
    taskJobs: true,
    postedAfterUnixMs: 1000,
    postedBeforeUnixMs: 2000,
    pageSize: 1000,
    pageToken: 'abc',
  });
});

test('every wrong field is named', () => {
  const request = create(ListJobsRequestSchema, {
    filter: {
      // A number that the enum does not know is what a newer client would send.
      states: [0, 2, 99 as 2],
      flow: '/',
      queue: ' ',
      worker: 'w',
      postedAfter: create(TimestampSchema, { nanos: -1 }),
      postedBefore: create(TimestampSchema, { seconds: 2n ** 62n }),
    },
    pageSize: 1001,
    pageToken: 'x'.repeat(1025),
  });
  let fields: readonly string[] = [];
  try {
    parseJobQuery(request);
  } catch (error) {
    if (error instanceof InvalidArgumentError) fields = error.violations.map(({ field }) => field);
  }
  expect(fields).toEqual([
    'page_size',
    'page_token',
    'filter.states[0]',
    'filter.states[2]',
    'filter.flow',
    'filter.queue',
    'filter.worker',
    'filter.posted_after',
    'filter.posted_before',
  ]);
});

test('a page size below 1 is refused with what is allowed', () => {
  expect(() => parsePage({ pageSize: -1, pageToken: '' })).toThrow(
    'page_size: -1 is not allowed; allowed: 1 to 1000',
  );
});
