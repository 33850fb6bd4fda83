import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { map } from './map.ts';
import { linear } from './pattern.ts';
import { noting } from './run-harness.fixture.ts';

describe('a migration that is wrong is refused with its flow', () => {
  const body = linear('l', noting([], 'a'), noting([], 'b'));
  const input = z.object({ names: z.array(z.string()) });
  const mapped = linear(
    'l',
    noting([], 'a'),
    map('m', { over: 'names', as: 'name', body: noting([], 'i') }),
  );
  const refused: [string, unknown, string][] = [
    ['no object', [], 'flow(f).migrations'],
    ['a version that is not earlier', { 2: {} }, 'whole numbers from 1 to 1'],
    ['a version that is no number', { one: {} }, 'flow(f).migrations: "one"'],
    ['a version that is written oddly', { '01': {} }, 'flow(f).migrations: "01"'],
    ['a function', { 1: () => ({}) }, 'flow(f).migrations.1'],
    ['an unknown part', { 1: { renames: {} } }, 'rename, forget and results'],
    [
      'a rename to no task',
      { 1: { rename: { x: 'y' } } },
      'a task of this version of the flow: a, b',
    ],
    ['a rename from a task', { 1: { rename: { a: 'b' } } }, 'flow(f).migrations.1.rename: "a"'],
    ['two of one', { 1: { rename: { x: 'b', y: 'b' } } }, 'one old name for each new one'],
    ['renamed and forgotten', { 1: { rename: { x: 'b' }, forget: ['x'] } }, 'not renamed as well'],
    ['forget of no names', { 1: { forget: [7] } }, 'flow(f).migrations.1.forget'],
    [
      'a result that is no function',
      { 1: { results: { a: {} } } },
      'flow(f).migrations.1.results.a',
    ],
    ['a result for nobody', { 1: { results: { z: () => ({}) } } }, 'flow(f).migrations.1.results'],
  ];
  test.each(refused)('%s', (_name, migrations, message) => {
    // Callers without types may hand in anything.
    const definition = { name: 'f', version: 2, body, migrations: migrations as {} };
    expect(() => flow(definition)).toThrow(message);
  });

  test('a result for what stands in a map, or for the map', () => {
    for (const name of ['m', 'i']) {
      const migrations = { 1: { results: { [name]: () => ({}) } } };
      expect(() => flow({ name: 'f', version: 2, input, body: mapped, migrations })).toThrow(
        'tasks, sleeps and waits outside of maps',
      );
    }
  });

  test('any, of a flow of the first version', () => {
    expect(() => flow({ name: 'f', body, migrations: { 1: {} } })).toThrow(
      'the flow is of version 1',
    );
  });
});
