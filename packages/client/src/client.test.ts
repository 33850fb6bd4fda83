import type { FlowType } from '@holdfast/core';
import { expect, expectTypeOf, test } from 'vitest';
import { type Client, createClient } from './client.ts';
import type { JobHandle } from './job-handle.ts';

type Hello = FlowType<{ readonly name: string }, { readonly greeting: string }>;
type Count = FlowType<number, bigint>;

// Type-checked, never called.
async function typedUses(client: Client, hello: Hello, count: Count): Promise<void> {
  const byFlow = await client.post(hello, { name: 'world' });
  expectTypeOf(byFlow).toEqualTypeOf<JobHandle<{ readonly greeting: string }>>();
  const byName = await client.post<Hello>('hello', { name: 'world' });
  expectTypeOf(await byName.result()).toEqualTypeOf<{ readonly greeting: string }>();
  expectTypeOf(await (await client.post('hello', 17)).result()).toEqualTypeOf<unknown>();
  expectTypeOf(await client.job<Count>('x').result()).toEqualTypeOf<bigint>();
  const outcomes = await client.postMany([{ flow: count, input: 1, priority: 9 }]);
  for (const outcome of outcomes) {
    if (outcome.kind === 'posted') expectTypeOf(outcome.job).toEqualTypeOf<JobHandle<bigint>>();
  }
  // @ts-expect-error the flow takes a name
  await client.post(hello, { nam: 'world' });
  // @ts-expect-error the flow takes text
  await client.post<Hello>('hello', { name: 1 });
  // @ts-expect-error the flow takes a number
  await client.postMany([{ flow: count, input: 'one' }]);
}

test('the input and the output of a post are those of the flow', () => {
  expectTypeOf(typedUses).returns.resolves.toBeVoid();
});

test.each(['', 'localhost', ':7070', 'host:port'])('address %j is refused', (address) => {
  expect(() => createClient({ address })).toThrow('address');
});

test.each([
  { missing: 'tls.cert', tls: { key: 'PEM' } },
  { missing: 'tls.key', tls: { cert: 'PEM' } },
])('TLS with a half of its own pair is refused, naming $missing', ({ missing, tls }) => {
  expect(() => createClient({ address: '127.0.0.1:7070', tls })).toThrow(`${missing}: `);
});

test.each([0, -1, Number.NaN, 2 ** 31])('a deadline of %d ms is refused', (deadlineMs) => {
  expect(() => createClient({ address: '127.0.0.1:7070', deadlineMs })).toThrow(
    'is not allowed; allowed: more than 0 and at most 2147483647 ms',
  );
});

test('a malformed job id is refused before anything is sent', () => {
  const client = createClient({ address: '127.0.0.1:7070' });
  expect(() => client.job('nonsense')).toThrow('id: "nonsense" is not allowed');
  client.close();
});
