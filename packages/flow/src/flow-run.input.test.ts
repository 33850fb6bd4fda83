import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { linear } from './pattern.ts';
import { Job, noting } from './run-harness.fixture.ts';
import { task } from './task.ts';

describe('input', () => {
  const echo = task({
    name: 'echo',
    requires: { who: z.string() },
    execute: () => undefined,
  });
  const echoFlow = flow({
    name: 'f',
    input: z.object({ who: z.string(), age: z.number().optional() }),
    body: echo,
  });

  test('every wrong field of a bad input is named', async () => {
    const job = new Job(echoFlow);
    const result = await job.run({ input: { who: 1, age: 'old' } });
    expect(result).toMatchObject({
      kind: 'failed',
      failure: {
        type: 'InvalidArgumentError',
        message: expect.stringMatching(/input\.who.*input\.age/),
      },
    });
    expect(job.records.size).toBe(0);
  });

  test('an input that is not JSON is a failure', async () => {
    const payload = { contentType: 'application/json', data: new TextEncoder().encode('{') };
    expect(await new Job(echoFlow).run({ payload })).toMatchObject({
      kind: 'failed',
      failure: { message: expect.stringContaining('input') },
    });
  });

  test('a schema that throws is a failure of the flow', async () => {
    const broken = z.object({ who: z.string() }).refine(() => {
      throw new Error('the schema is broken');
    });
    const result = await new Job(flow({ name: 'f', input: broken, body: echo })).run({
      input: { who: 'x' },
    });
    expect(result).toMatchObject({
      kind: 'failed',
      failure: { message: expect.stringContaining('the schema is broken') },
    });
  });

  test('a flow without an input schema takes none', async () => {
    const nothing = flow({ name: 'f', body: linear('main') });
    expect((await new Job(nothing).run({ input: { a: 1 } })).kind).toBe('failed');
    expect((await new Job(nothing).run({ input: {} })).kind).toBe('succeeded');
    expect((await new Job(nothing).run({ input: null })).kind).toBe('succeeded');
  });

  test('a required value that the input leaves out is not looked up on Object', async () => {
    const anything = z.unknown().refine((value) => value === undefined);
    const look = task({
      name: 'look',
      requires: { constructor: anything },
      execute: () => undefined,
    });
    const open = flow({ name: 'f', input: z.looseObject({}), body: look as never });
    expect((await new Job(open).run()).kind).toBe('succeeded');
  });

  test('when the input turns bad under a later version, what was done is reverted', async () => {
    const log: string[] = [];
    const stop = new Error('the process dies');
    const body = linear('main', noting(log, 'a'), noting(log, 'b'));
    const before = new Job(flow({ name: 'f', input: z.object({}), body }));
    await before
      .run({
        afterCommit: () => {
          if (before.state('a') === 'success') throw stop;
        },
      })
      .catch(() => undefined);
    const after = new Job(flow({ name: 'f', input: z.object({ more: z.string() }), body }));
    for (const [name, record] of before.records) after.records.set(name, record);
    const result = await after.run();
    expect(result).toMatchObject({
      kind: 'failed',
      failure: { message: expect.stringContaining('input.more') },
    });
    expect(log).toEqual(['a', 'undo a']);
    expect(after.state('a')).toBe('reverted');
  });
});
