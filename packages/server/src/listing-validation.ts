/** What a listing may ask for, field by field. Pure. */
import type { JobQuery } from '@holdfast/board';
import { type JobState, LIMITS, parseWorkerId } from '@holdfast/core';
import { jobStateNames, type ListJobsRequest, optionalTimestampFromProto } from '@holdfast/wire';
import { FieldViolations } from './field-violations.ts';

/** Characters of a page token. */
const PAGE_TOKEN_LENGTH = 1024;

/** A page as the board takes it. */
export interface Page {
  readonly pageSize: number;
  readonly pageToken?: string;
}

interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: string;
}

/** Throws InvalidArgumentError naming page_size or page_token. */
export function parsePage(request: PageRequest): Page {
  const violations = new FieldViolations();
  const page = checkPage(request, violations);
  violations.throwIfAny();
  return page;
}

/** Throws InvalidArgumentError naming every field that is wrong. */
export function parseJobQuery(request: ListJobsRequest): JobQuery {
  const violations = new FieldViolations();
  const page = checkPage(request, violations);
  const { filter } = request;
  if (!filter) {
    violations.throwIfAny();
    return page;
  }
  const states = checkStates(filter.states, violations);
  if (filter.flow !== '') violations.name('filter.flow', filter.flow);
  if (filter.queue !== '') violations.name('filter.queue', filter.queue);
  if (filter.worker !== '') {
    violations.attempt(() => parseWorkerId(filter.worker, 'filter.worker'));
  }
  violations.timestamp('filter.posted_after', filter.postedAfter);
  violations.timestamp('filter.posted_before', filter.postedBefore);
  violations.throwIfAny();
  return {
    ...page,
    ...(states.length > 0 ? { states } : {}),
    ...(filter.flow === '' ? {} : { flow: filter.flow }),
    ...(filter.queue === '' ? {} : { queue: filter.queue }),
    ...(filter.worker === '' ? {} : { worker: filter.worker }),
    ...(filter.taskJobs ? { taskJobs: true } : {}),
    postedAfterUnixMs: optionalTimestampFromProto(filter.postedAfter, 'filter.posted_after'),
    postedBeforeUnixMs: optionalTimestampFromProto(filter.postedBefore, 'filter.posted_before'),
  };
}

function checkPage(request: PageRequest, violations: FieldViolations): Page {
  const pageSize = request.pageSize === 0 ? LIMITS.pageSizeDefault : request.pageSize;
  violations.range('page_size', pageSize, { min: 1, max: LIMITS.pageSizeMax });
  violations.length('page_token', request.pageToken, PAGE_TOKEN_LENGTH);
  return request.pageToken === '' ? { pageSize } : { pageSize, pageToken: request.pageToken };
}

function checkStates(values: readonly number[], violations: FieldViolations): readonly JobState[] {
  const states = new Set<JobState>();
  for (const [index, value] of values.entries()) {
    const state = jobStateNames.find(value);
    if (state === undefined) {
      violations.add(`filter.states[${index}]`, { value, allowed: 'a state of JobState by name' });
    } else {
      states.add(state);
    }
  }
  return [...states];
}
