import type { FlowInput, FlowOutput } from '@holdfast/core';
import { expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import type { AnyFlow, Flow } from './flow.ts';
import { workflow } from './workflow.ts';
import type { WorkflowContext } from './workflow-context.ts';

interface Charge {
  readonly id: string;
  readonly at: Date;
}

const order = workflow(
  { name: 'order', input: z.object({ item: z.string(), count: z.coerce.number().default(1) }) },
  async (ctx, { item, count }) => {
    expectTypeOf(item).toEqualTypeOf<string>();
    expectTypeOf(count).toEqualTypeOf<number>();
    const charge = await ctx.step('charge', (): Charge => ({ id: item, at: new Date(count) }), {
      revert: ({ result, failure }) => {
        expectTypeOf(result).toEqualTypeOf<
          { readonly id: string; readonly at: string } | undefined
        >();
        expectTypeOf(failure?.message).toEqualTypeOf<string | undefined>();
      },
    });
    expectTypeOf(charge).toEqualTypeOf<{ readonly id: string; readonly at: string }>();
    return { charge, when: new Date() };
  },
);

test('a client infers what a poster sends, and the output as JSON leaves it', () => {
  expectTypeOf<FlowInput<typeof order>>().toEqualTypeOf<{ item: string; count?: unknown }>();
  expectTypeOf<FlowOutput<typeof order>>().toEqualTypeOf<{
    charge: { readonly id: string; readonly at: string };
    when: string;
  }>();
  expectTypeOf(order).toExtend<AnyFlow>();
});

test('a workflow of a name alone takes no input', () => {
  const plain = workflow('plain', async () => 1);
  expectTypeOf<FlowInput<typeof plain>>().toEqualTypeOf<Readonly<Record<string, never>>>();
  expectTypeOf<FlowOutput<typeof plain>>().toEqualTypeOf<number>();
  const annotated: Flow<Readonly<Record<string, never>>, number> = plain;
  expectTypeOf(annotated).toExtend<AnyFlow>();
});

test('an output schema says what is to be returned, and what is read', () => {
  const typed = workflow({ name: 'typed', output: z.object({ at: z.date() }) }, () => ({
    at: new Date(0),
  }));
  expectTypeOf<FlowOutput<typeof typed>>().toEqualTypeOf<{ at: string }>();
  // @ts-expect-error: it returns another type
  workflow({ name: 'typed', output: z.object({ at: z.date() }) }, () => ({ at: 'today' }));
});

test('the input of a workflow is an object', () => {
  // @ts-expect-error: 'the input of a flow is an object: its keys are the names that tasks require'
  const wrong = () => workflow({ name: 'wrong', input: z.string() }, () => 1);
  expectTypeOf(wrong).toBeFunction();
});

test('results of steps are what JSON leaves of them', async () => {
  const check = async (ctx: WorkflowContext): Promise<void> => {
    expectTypeOf(ctx.step('a', () => 1)).resolves.toEqualTypeOf<number>();
    expectTypeOf(ctx.step('a', async () => 'x' as const)).resolves.toEqualTypeOf<'x'>();
    expectTypeOf(ctx.step('a', () => {})).resolves.toEqualTypeOf<void>();
    expectTypeOf(
      ctx.step('a', async (): Promise<string | undefined> => 'x'),
    ).resolves.toEqualTypeOf<string | null>();
    expectTypeOf(ctx.step('a', (): unknown => 1)).resolves.toEqualTypeOf<unknown>();
    expectTypeOf(
      ctx.step('a', () => new Date(), { schema: z.date() }),
    ).resolves.toEqualTypeOf<string>();
    // @ts-expect-error: the schema wants a date
    await ctx.step('a', () => 1, { schema: z.date() });
    expectTypeOf(ctx.step('a', (step) => step.fence > 1n)).resolves.toEqualTypeOf<boolean>();
    expectTypeOf(ctx.sleep('a', 1)).resolves.toEqualTypeOf<void>();
    expectTypeOf(ctx.waitFor('a', { event: 'e' })).resolves.toEqualTypeOf<unknown>();
    expectTypeOf(
      ctx.waitFor('a', { event: 'e', schema: z.object({ ok: z.boolean() }) }),
    ).resolves.toEqualTypeOf<{ ok: boolean }>();
    expectTypeOf(ctx.all([ctx.step('a', () => 1), ctx.sleep('b', 1)])).resolves.toEqualTypeOf<
      [number, void]
    >();
    expectTypeOf(ctx.all({ a: ctx.step('a', () => 1), b: 'x' })).resolves.toEqualTypeOf<{
      a: number;
      b: string;
    }>();
    expectTypeOf(ctx.all([1, 2].map((n) => ctx.step(`n${n}`, () => n)))).resolves.toEqualTypeOf<
      number[]
    >();
  };
  expectTypeOf(check).toBeFunction();
});
