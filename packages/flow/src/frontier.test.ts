import { describe, expect, test } from 'vitest';
import { flow, planOf } from './flow.ts';
import { Frontier } from './frontier.ts';
import { linear, unordered } from './pattern.ts';
import { RunGraph } from './run-graph.ts';
import { noting } from './run-harness.fixture.ts';

describe('a frontier', () => {
  test('lets nothing start that follows what starts anew', () => {
    const [a, b, c] = [noting([], 'a'), noting([], 'b'), noting([], 'c')];
    const graph = new RunGraph(
      planOf(flow({ name: 'f', body: linear('main', unordered('both', a, b), c) })),
    );
    const place = (name: string): number => graph.placeOf(name) ?? -1;
    const frontier = new Frontier(graph, () => undefined);
    expect(frontier.takeReady()).toEqual([place('a'), place('b')]);
    frontier.complete(place('a'));
    frontier.undo([place('a')]);
    frontier.recount([place('a')]);
    expect(frontier.takeReady()).toEqual([place('a')]);
    frontier.complete(place('b'));
    expect(frontier.takeReady()).toEqual([]);
    frontier.complete(place('a'));
    expect(frontier.takeReady()).toEqual([place('c')]);
  });
});
