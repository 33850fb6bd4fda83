import type { FlowInput, FlowOutput } from '@holdfast/core';
import { expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { choose, when } from './choice.ts';
import { waitFor } from './event-wait.ts';
import { flow } from './flow.ts';
import { link } from './link.ts';
import { map } from './map.ts';
import { graph, linear, unordered } from './pattern.ts';
import { reduce } from './reduce.ts';
import { withRetry } from './retry-controller.ts';
import {
  alwaysRevert,
  forEach,
  parameterizedForEach,
  retryController,
  times,
} from './retry-rounds.ts';
import { sleep } from './sleep.ts';
import { task } from './task.ts';

const measure = task({
  name: 'measure',
  provides: { size: z.number() },
  execute: () => ({ size: 1 }),
});
const pack = task({
  name: 'pack',
  requires: { size: z.number() },
  provides: { path: z.string(), ratio: z.number() },
  execute: ({ size }) => ({ path: `${size}`, ratio: 1 }),
});
const copy = task({
  name: 'copy',
  provides: { path: z.string().nullable() },
  execute: () => ({ path: null }),
});
const install = task({
  name: 'install',
  requires: { host: z.string() },
  provides: { version: z.string() },
  execute: ({ host }) => ({ version: host }),
});

test('a retry controller provides for its item and for what follows', () => {
  const after = task({ name: 'after', requires: { round: z.number() }, execute: () => {} });
  const body = linear('main', withRetry(times({ attempts: 3, provides: 'round' }), measure), after);
  const built = flow({ name: 'f', body });
  expectTypeOf<FlowOutput<typeof built>>().toEqualTypeOf<{
    readonly round: number;
    readonly size: number;
  }>();
});

test('the values of a round have the type of the list', () => {
  const each = flow({
    name: 'f',
    body: withRetry(forEach({ values: ['eu', 'us'], provides: 'host' }), install),
  });
  expectTypeOf<FlowOutput<typeof each>>().toEqualTypeOf<{
    readonly host: 'eu' | 'us';
    readonly version: string;
  }>();
  const listed = flow({
    name: 'f',
    input: z.object({ hosts: z.array(z.string()) }),
    body: withRetry(parameterizedForEach({ values: 'hosts', provides: 'host' }), install),
  });
  expectTypeOf<FlowInput<typeof listed>>().toEqualTypeOf<{ hosts: string[] }>();
  expectTypeOf<FlowOutput<typeof listed>>().toEqualTypeOf<{
    readonly host: string;
    readonly version: string;
  }>();
});

test('a controller of one’s own has typed values and a history', () => {
  const own = retryController({
    requires: { size: z.number() },
    provides: { host: z.string() },
    execute: ({ size }, { history }) => {
      expectTypeOf(size).toEqualTypeOf<number>();
      expectTypeOf(history.length).toEqualTypeOf<number>();
      return { host: `h${size}` };
    },
    onFailure: ({ size }, { history }) => {
      expectTypeOf(size).toEqualTypeOf<number>();
      return history.length < size ? 'retry' : 'revertAll';
    },
    revert: (_values, { result, history }) => {
      expectTypeOf(result?.host).toEqualTypeOf<string | undefined>();
      expectTypeOf(history.length).toEqualTypeOf<number>();
    },
  });
  const built = flow({ name: 'f', body: linear('main', measure, withRetry(own, install)) });
  expectTypeOf<FlowOutput<typeof built>>().toEqualTypeOf<{
    readonly size: number;
    readonly host: string;
    readonly version: string;
  }>();
  const inner = withRetry(alwaysRevert({ name: 'stop' }), withRetry(times({ attempts: 2 }), copy));
  expectTypeOf(inner.name).toEqualTypeOf<'copy'>();
});

test('a value of one case may be missing, one of every case is there', () => {
  const one = flow({
    name: 'f',
    body: linear(
      'main',
      measure,
      when('large', {
        if: {
          requires: { size: z.number() },
          decide: ({ size }) => {
            expectTypeOf(size).toEqualTypeOf<number>();
            return size > 10;
          },
        },
        do: pack,
      }),
    ),
  });
  expectTypeOf<FlowOutput<typeof one>>().toEqualTypeOf<{
    readonly size: number;
    readonly path: string | undefined;
    readonly ratio: number | undefined;
  }>();
  const both = flow({
    name: 'f',
    body: linear(
      'main',
      measure,
      when('large', {
        if: { requires: { size: z.number() }, decide: ({ size }) => size > 10 },
        do: pack,
        otherwise: copy,
      }),
    ),
  });
  expectTypeOf<FlowOutput<typeof both>>().toEqualTypeOf<{
    readonly size: number;
    readonly path: string | null;
    readonly ratio: number | undefined;
  }>();
});

test('a choice names one of its cases', () => {
  const chosen = choose('by-size', {
    requires: { size: z.number() },
    case: ({ size }) => {
      expectTypeOf(size).toEqualTypeOf<number>();
      return size > 10 ? 'large' : 'small';
    },
    cases: { small: copy, large: linear('large', pack) },
  });
  const built = flow({ name: 'f', body: linear('main', measure, chosen) });
  expectTypeOf<FlowOutput<typeof built>>().toEqualTypeOf<{
    readonly size: number;
    readonly path: string | null;
    readonly ratio: number | undefined;
  }>();
  // @ts-expect-error: there is no such case
  choose('a', { case: () => 'huge', cases: { small: copy } });
  // @ts-expect-error: there is nothing to do otherwise
  choose('a', { case: () => undefined, cases: { small: copy } });
  choose('a', { case: () => undefined, cases: { small: copy }, otherwise: measure });
});

test('a map gives lists, and needs one of what its body takes', () => {
  const scan = task({
    name: 'scan',
    requires: { file: z.string(), place: z.number(), strict: z.boolean() },
    provides: { lines: z.number(), note: z.string().optional() },
    execute: ({ file, place }) => ({ lines: file.length + place, note: undefined }),
  });
  const built = flow({
    name: 'f',
    input: z.object({ files: z.array(z.string()), strict: z.boolean() }),
    body: linear(
      'main',
      map('each', { over: 'files', as: 'file', index: 'place', body: scan }),
      reduce('sum', {
        over: 'lines',
        item: z.number(),
        initial: 0,
        provides: 'total',
        execute: (total, lines) => {
          expectTypeOf(total).toEqualTypeOf<number>();
          expectTypeOf(lines).toEqualTypeOf<number>();
          return total + lines;
        },
      }),
      reduce('longest', {
        over: 'lines',
        initial: 0,
        provides: 'most',
        execute: (most, lines: number) => Math.max(most, lines),
      }),
    ),
  });
  expectTypeOf<FlowOutput<typeof built>>().toEqualTypeOf<{
    readonly lines: number[];
    readonly note: (string | null)[];
    readonly total: number;
    readonly most: number;
  }>();
  const renamed = flow({
    name: 'f',
    input: z.object({ hosts: z.array(z.string()) }),
    body: map('each', {
      over: 'hosts',
      as: 'host',
      body: install,
      collect: { version: 'versions' },
    }),
  });
  expectTypeOf<FlowOutput<typeof renamed>>().toEqualTypeOf<{ readonly versions: string[] }>();
});

test('waits give what they were told', () => {
  const built = flow({
    name: 'f',
    body: linear(
      'main',
      measure,
      sleep('a-while', { ms: 1000 }),
      sleep('longer', {
        requires: { size: z.number() },
        ms: ({ size }) => {
          expectTypeOf(size).toEqualTypeOf<number>();
          return size;
        },
      }),
      waitFor('approval', {
        event: 'approved',
        schema: z.object({ by: z.string() }),
        provides: 'ok',
      }),
      waitFor('nudge', { event: 'nudged' }),
      waitFor('word', { event: 'said', provides: 'word', timeoutMs: 1000 }),
    ),
  });
  expectTypeOf<FlowOutput<typeof built>>().toEqualTypeOf<{
    readonly size: number;
    readonly ok: { by: string };
    readonly word: unknown;
  }>();
});

test('a decider sees what the link comes from', () => {
  const built = graph('g', {
    tasks: [measure, copy, linear('more', install)],
    links: [
      [measure, copy],
      link(measure, copy, {
        decide: ({ measure: { size } }) => {
          expectTypeOf(size).toEqualTypeOf<number>();
          return size > 10;
        },
      }),
    ],
  });
  expectTypeOf(built.name).toEqualTypeOf<'g'>();
  const several = unordered('several', measure, copy);
  link(several, install, {
    decide: ({ measure: measured, copy: copied }) => {
      expectTypeOf(measured?.size).toEqualTypeOf<number | undefined>();
      expectTypeOf(copied?.path).toEqualTypeOf<string | null | undefined>();
      return true;
    },
    depth: 'flow',
  });
});

test('of a graph with a target only that is needed and given', () => {
  const built = flow({
    name: 'f',
    body: graph('g', { tasks: [install, pack, measure], target: pack }),
  });
  expectTypeOf<FlowOutput<typeof built>>().toEqualTypeOf<{
    readonly size: number;
    readonly path: string;
    readonly ratio: number;
  }>();
});

test('a single task is a flow', () => {
  const built = flow({ name: 'f', body: measure });
  expectTypeOf<FlowOutput<typeof built>>().toEqualTypeOf<{ readonly size: number }>();
});
