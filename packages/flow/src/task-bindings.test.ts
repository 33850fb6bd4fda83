import { InvalidArgumentError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { named, type Task, task } from './task.ts';

const text = z.string();
const copy = task({
  name: 'copy',
  requires: { input: text, region: text },
  provides: { path: text, size: z.number() },
  rebind: { input: 'source' },
  rename: { path: 'archivePath' },
  inject: { region: 'eu' },
  execute: ({ input }) => ({ path: input, size: 1 }),
});

const namesOf = ({ spec: { needs, gives, inject } }: Task) => ({ needs, gives, inject });

/** What a definition is refused for, by field. */
function refused(define: () => unknown): Record<string, string> {
  try {
    define();
    return {};
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    return Object.fromEntries(error.violations.map((each) => [each.field, each.description]));
  }
}

/** A task whose bindings the compiler would refuse. */
const wrong = (bindings: object) => () =>
  task({
    name: 'a',
    requires: { x: text },
    revertRequires: { y: text },
    provides: { p: text, q: text },
    execute: () => ({ p: '', q: '' }),
    ...bindings,
  } as never);

describe('the names of a task and those of its flow', () => {
  test('are the same unless something is bound', () => {
    const plain = task({
      name: 'plain',
      requires: { x: text },
      provides: { y: text },
      execute: ({ x }) => ({ y: x }),
    });
    expect(namesOf(plain)).toEqual({ needs: { x: 'x' }, gives: { y: 'y' }, inject: {} });
  });

  test('rebind and rename tie other names, and what is injected is no need', () => {
    expect(namesOf(copy)).toEqual({
      needs: { input: 'source' },
      gives: { archivePath: 'path', size: 'size' },
      inject: { region: 'eu' },
    });
  });

  test('what only a revert requires is a need too, and can be bound', () => {
    const undo = task({
      name: 'undo',
      requires: { x: text },
      revertRequires: { x: text, backup: text },
      rebind: { backup: 'snapshot' },
      execute: () => undefined,
    });
    expect(undo.spec.needs).toEqual({ x: 'x', backup: 'snapshot' });
  });

  test('two results may change names', () => {
    const swap = task({
      name: 'swap',
      provides: { x: text, y: text },
      rename: { x: 'y', y: 'x' },
      execute: () => ({ x: '', y: '' }),
    });
    expect(swap.spec.gives).toEqual({ y: 'x', x: 'y' });
  });
});

describe('a copy under another name', () => {
  test('has the bindings of the original', () => {
    const copied = named('copy-2', copy);
    expect(copied.name).toBe('copy-2');
    expect(copied.spec.name).toBe('copy-2');
    expect(namesOf(copied)).toEqual(namesOf(copy));
    expect(copied.spec.execute).toBe(copy.spec.execute);
    expect(Object.isFrozen(copied.spec)).toBe(true);
  });

  test('has its own in their place, per value', () => {
    const copied = named('copy-2', copy, {
      rebind: { input: 'draft' },
      rename: { path: 'draftPath', size: 'draftSize' },
      inject: { region: 'us' },
    });
    expect(namesOf(copied)).toEqual({
      needs: { input: 'draft' },
      gives: { draftPath: 'path', draftSize: 'size' },
      inject: { region: 'us' },
    });
    expect(namesOf(copy).needs).toEqual({ input: 'source' });
  });

  test('may read what the original injects, and inject what it reads', () => {
    const copied = named('copy-2', copy, {
      rebind: { region: 'region' },
      inject: { input: 'fixed' },
    });
    expect(namesOf(copied)).toMatchObject({
      needs: { region: 'region' },
      inject: { input: 'fixed' },
    });
  });

  test('can be copied again', () => {
    const third = named('third', named('second', copy, { rebind: { input: 'draft' } }), {
      rename: { path: 'thirdPath' },
    });
    expect(namesOf(third)).toMatchObject({
      needs: { input: 'draft' },
      gives: { thirdPath: 'path', size: 'size' },
    });
  });
});

describe('a binding is refused', () => {
  const cases: [string, { bindings: object; field: string; says: string }][] = [
    [
      'of a name that the task doesn’t require',
      {
        bindings: { rebind: { z: 'x' } },
        field: 'task(a).rebind.z',
        says: "task 'a' requires no 'z'; only what it requires can be rebound",
      },
    ],
    [
      'that injects such a name',
      {
        bindings: { inject: { p: '' } },
        field: 'task(a).inject.p',
        says: "task 'a' requires no 'p'; only what it requires can be injected",
      },
    ],
    [
      'of a result that the task doesn’t provide',
      {
        bindings: { rename: { x: 'z' } },
        field: 'task(a).rename.x',
        says: "task 'a' provides no 'x'; only what it provides can be renamed",
      },
    ],
    [
      'of one value to two things',
      {
        bindings: { rebind: { y: 'z' }, inject: { y: '' } },
        field: 'task(a).rebind.y',
        says: "task 'a' can't both rebind and inject 'y'",
      },
    ],
    [
      'that calls two results the same',
      {
        bindings: { rename: { p: 'q' } },
        field: 'task(a).rename',
        says: "task 'a' provides 'q' twice; give one of the values another name",
      },
    ],
  ];
  test.each(cases)('%s', (_what, { bindings, field, says }) => {
    expect(refused(wrong(bindings))).toEqual({ [field]: says });
  });

  test('to what is no name', () => {
    expect(Object.keys(refused(wrong({ rebind: { x: 'a b' } })))).toEqual(['task(a).rebind.x']);
    expect(Object.keys(refused(wrong({ rename: { p: '' } })))).toEqual(['task(a).rename.p']);
  });

  test('with every other one that is wrong', () => {
    const both = wrong({ rebind: { z: 'x' }, rename: { z: 'x' } });
    expect(Object.keys(refused(both))).toEqual(['task(a).rebind.z', 'task(a).rename.z']);
  });

  test('in a copy as in the task itself', () => {
    const fields = refused(() => named('b', copy, { rebind: { source: 'x' } } as never));
    expect(Object.keys(fields)).toEqual(['task(b).rebind.source']);
    expect(Object.keys(refused(() => named('no spaces', copy)))).toEqual(['named.name']);
  });
});
