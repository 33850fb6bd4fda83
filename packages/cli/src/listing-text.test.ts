import { createSeededRandom, createWorkerId, VirtualClock } from '@holdfast/core';
import type { WorkerViewFields } from '@holdfast/wire';
import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import { formatWorkers } from './listing-text.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const source = { clock: new VirtualClock(NOW), random: createSeededRandom(1) };
const style = { colors: picocolors.createColors(false), width: 80, nowUnixMs: NOW };

function workerView(labels: Readonly<Record<string, string>>): WorkerViewFields {
  return {
    info: {
      id: createWorkerId('builder-1', source),
      host: 'h',
      pid: 1,
      queues: ['default'],
      flows: ['distributed-build'],
      concurrency: 8,
      startedAtUnixMs: NOW - 60_000,
      leaseTtlMs: 10_000,
      version: '0.1.0',
      isDraining: false,
      labels,
      served: [],
    },
    claims: 2,
    isLive: true,
  };
}

describe('the list of workers', () => {
  it('has the labels of each below it, by name, within the width of the terminal', () => {
    const many = Object.fromEntries(
      Array.from({ length: 12 }, (_, n) => [`label-${n + 10}`, `value-${n + 10}`]),
    );
    const workers = [workerView({ zone: 'east', gpu: 'a100' }), workerView({}), workerView(many)];
    const [, first, labels, second, third, ...rest] = formatWorkers(workers, style).split('\n');
    expect(labels).toBe('  gpu=a100 zone=east');
    for (const [index, line] of [first, second, third].entries()) {
      expect(line).toMatch(new RegExp(`^${workers[index]?.info.id} `));
    }
    expect(rest).toHaveLength(3);
    for (const line of rest) expect(line).toMatch(/^ {2}label-\d\d=value-\d\d( |$)/);
    expect(rest.join(' ').match(/label-/g)).toHaveLength(12);
    for (const line of [labels, ...rest]) expect(line?.length).toBeLessThanOrEqual(80);
  });
});
