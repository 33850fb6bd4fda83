import { describe, expect, test } from 'vitest';
import { ATTRIBUTES, METRICS, type MetricDefinition, SPANS } from './names.ts';

const metrics: readonly MetricDefinition[] = Object.values(METRICS);

describe('names', () => {
  test('are used for one thing only', () => {
    for (const names of [
      Object.values(SPANS),
      Object.values(ATTRIBUTES),
      metrics.map((m) => m.name),
    ]) {
      expect(new Set<string>(names).size).toBe(names.length);
    }
  });

  test('of metrics come with a unit and a sentence', () => {
    for (const metric of metrics) {
      expect(metric.unit).toMatch(/^(s|\{\w+\})$/);
      expect(metric.description).toMatch(/^[A-Z].*\.$/);
    }
  });

  test('of attributes that are different for each job are not on metrics', () => {
    const unbounded = [
      'jobId',
      'parentId',
      'attempt',
      'worker',
      'fence',
      'try',
      'execution',
      'reason',
    ];
    for (const metric of metrics) {
      for (const attribute of metric.attributes) expect(unbounded).not.toContain(attribute);
    }
  });
});
