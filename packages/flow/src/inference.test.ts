import type { FlowInput, FlowOutput } from '@holdfast/core';
import { expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { type AnyFlow, type Flow, flow } from './flow.ts';
import { optional } from './optional-schema.ts';
import { graph, linear, unordered } from './pattern.ts';
import { named, type Task, task } from './task.ts';
import { type } from './unchecked-schema.ts';

const measure = task({
  name: 'measure',
  requires: { path: z.string(), depth: z.coerce.number() },
  provides: { bytes: z.number(), at: z.date(), label: z.string().optional() },
  execute: ({ path, depth }, ctx) => {
    expectTypeOf(path).toEqualTypeOf<string>();
    expectTypeOf(depth).toEqualTypeOf<number>();
    expectTypeOf(ctx.fence).toEqualTypeOf<bigint>();
    return { bytes: path.length * depth, at: new Date(), label: undefined };
  },
  revert: ({ path }, { result, failure }) => {
    expectTypeOf(path).toEqualTypeOf<string>();
    expectTypeOf(result?.at).toEqualTypeOf<string | undefined>();
    expectTypeOf(result?.bytes).toEqualTypeOf<number | undefined>();
    expectTypeOf(failure?.message).toEqualTypeOf<string | undefined>();
  },
});
const note = task({
  name: 'note',
  requires: { bytes: z.number() },
  provides: { text: z.string() },
  execute: async ({ bytes }) => ({ text: `${bytes}` }),
});

const measured = flow({
  name: 'measured',
  input: z.object({ path: z.string(), depth: z.string().default('1') }),
  body: linear('main', measure, note),
});

test('a client infers what a poster sends', () => {
  expectTypeOf<FlowInput<typeof measured>>().toEqualTypeOf<{
    path: string;
    depth?: string | undefined;
  }>();
});

test('a client infers the output, as JSON leaves it', () => {
  expectTypeOf<FlowOutput<typeof measured>>().toEqualTypeOf<{
    readonly bytes: number;
    readonly at: string;
    readonly label: string | undefined;
    readonly text: string;
  }>();
});

test('the output is what was asked for', () => {
  const short = flow({
    name: 'short',
    input: z.object({ path: z.string(), depth: z.string() }),
    body: graph('main', { tasks: [note, measure] }),
    output: ['text'],
  });
  expectTypeOf<FlowOutput<typeof short>>().toEqualTypeOf<{ readonly text: string }>();
});

test('a flow without input takes none', () => {
  const empty = flow({ name: 'empty', body: unordered('main') });
  expectTypeOf<FlowInput<typeof empty>>().toEqualTypeOf<Readonly<Record<string, never>>>();
});

test('the later of two providers in a row gives the type', () => {
  const text = task({ name: 'text', provides: { x: z.string() }, execute: () => ({ x: '' }) });
  const number = task({
    name: 'number',
    requires: { x: z.string() },
    provides: { x: z.number() },
    execute: ({ x }) => ({ x: x.length }),
  });
  const both = flow({ name: 'both', body: linear('main', text, number) });
  expectTypeOf<FlowOutput<typeof both>>().toEqualTypeOf<{ readonly x: number }>();
});

test('any flow is a flow, and a flow can be annotated', () => {
  expectTypeOf(measured).toExtend<AnyFlow>();
  const annotated: Flow<{ path: string; depth?: string | undefined }, { text: string }> = measured;
  expectTypeOf(annotated).toExtend<AnyFlow>();
});

test('what is built at run time compiles, and is checked when the flow is made', () => {
  const tasks: Task[] = [measure, note];
  const dynamic = flow({
    name: 'dynamic',
    input: z.looseObject({}),
    body: linear('main', ...tasks),
  });
  expectTypeOf<FlowOutput<typeof dynamic>>().toEqualTypeOf<Readonly<Record<string, unknown>>>();
});

test('a task has to return what it provides', () => {
  const provides = { x: z.number() };
  // @ts-expect-error: it returns nothing
  task({ name: 'a', provides, execute: () => {} });
  // @ts-expect-error: it returns another type
  task({ name: 'a', provides, execute: () => ({ x: 'x' }) });
  // @ts-expect-error: it returns another name
  task({ name: 'a', provides, execute: async () => ({ y: 1 }) });
  // @ts-expect-error: it has no such argument
  task({ name: 'a', requires: { x: z.number() }, execute: ({ y }) => void y });
  expectTypeOf(provides).toEqualTypeOf<{ x: z.ZodNumber }>();
});

test('a client has to send what the flow takes', () => {
  const post = <F extends AnyFlow>(_flow: F, _input: FlowInput<F>): void => undefined;
  post(measured, { path: 'x' });
  // @ts-expect-error: the path is missing
  post(measured, {});
  // @ts-expect-error: the path is no number
  post(measured, { path: 1 });
  expectTypeOf(post).toBeFunction();
});

const archive = task({
  name: 'archive',
  requires: { input: z.string(), region: z.enum(['eu', 'us']), level: z.number().default(1) },
  revertRequires: { input: z.coerce.string(), backup: optional(type<Date>()) },
  provides: { path: z.string(), bytes: z.number() },
  rebind: { input: 'source' },
  rename: { path: 'archivePath' },
  inject: { region: 'eu' },
  execute: ({ input, region, level }) => {
    expectTypeOf(input).toEqualTypeOf<string>();
    expectTypeOf(region).toEqualTypeOf<'eu' | 'us'>();
    expectTypeOf(level).toEqualTypeOf<number>();
    return { path: input, bytes: level };
  },
  revert: ({ input, backup }, { result }) => {
    expectTypeOf(input).toEqualTypeOf<string>();
    expectTypeOf(backup).toEqualTypeOf<Date | undefined>();
    expectTypeOf(result?.path).toEqualTypeOf<string | undefined>();
  },
});

test('the flow sees the names that it gives to the values of a task', () => {
  const archived = flow({
    name: 'archived',
    input: z.object({ source: z.string() }),
    body: archive,
  });
  expectTypeOf<FlowOutput<typeof archived>>().toEqualTypeOf<{
    readonly archivePath: string;
    readonly bytes: number;
  }>();
});

test('a copy has names of its own', () => {
  const copy = named('copy', archive, {
    rebind: { input: 'draft', region: 'where' },
    rename: { path: 'draftPath', bytes: 'draftBytes' },
  });
  expectTypeOf(copy.name).toEqualTypeOf<'copy'>();
  const both = flow({
    name: 'both',
    input: z.object({ source: z.string(), draft: z.string(), where: z.enum(['eu', 'us']) }),
    body: unordered('main', archive, copy),
  });
  expectTypeOf<FlowOutput<typeof both>>().toEqualTypeOf<{
    readonly archivePath: string;
    readonly bytes: number;
    readonly draftPath: string;
    readonly draftBytes: number;
  }>();
});

test('a copy of a task that is built at run time compiles', () => {
  const dynamic: Task = archive;
  const copy = named('copy', dynamic, { rebind: { input: 'draft' } });
  const copied = flow({ name: 'copied', input: z.looseObject({}), body: linear('main', copy) });
  expectTypeOf<FlowOutput<typeof copied>>().toEqualTypeOf<Readonly<Record<string, unknown>>>();
});

test('a task can be annotated, and infers its values none the less', () => {
  const nothing: Task<'nothing', never, never> = task({ name: 'nothing', execute: () => {} });
  const any: Task = task({
    name: 'any',
    requires: { x: z.string() },
    provides: { y: z.number() },
    execute: ({ x }) => ({ y: x.length }),
  });
  const list: Task[] = [task({ name: 'a', execute: () => {} }), named('b', any), named('c', note)];
  expectTypeOf([nothing, any, ...list]).toExtend<Task[]>();
});

test('a plain type holds the flow to it, and is stored like any other value', () => {
  interface User {
    readonly id: number;
    readonly since: Date;
  }
  const load = task({
    name: 'load',
    provides: { user: type<User>() },
    execute: () => ({ user: { id: 1, since: new Date(0) } }),
  });
  const loaded = flow({ name: 'loaded', body: load });
  expectTypeOf<FlowOutput<typeof loaded>>().toEqualTypeOf<{
    readonly user: { readonly id: number; readonly since: string };
  }>();
  // @ts-expect-error: it returns another type
  task({ name: 'a', provides: { user: type<User>() }, execute: () => ({ user: { id: '1' } }) });
  expectTypeOf(load).toExtend<Task>();
});
