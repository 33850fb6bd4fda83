import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createJobId,
  createWorkerId,
  jobIdFloor,
  jobIdTimeUnixMs,
  parseJobId,
  parseWorkerId,
} from './ids.ts';
import { createSeededRandom } from './random.ts';
import { VirtualClock } from './virtual-clock.ts';

const times = fc.integer({ min: 0, max: 2 ** 47 });

describe('ids', () => {
  it('a job id says when it was made, and sorts by it', () => {
    fc.assert(
      fc.property(times, times, fc.integer(), (a, b, seed) => {
        const random = createSeededRandom(seed);
        const [first, second] = [Math.min(a, b), Math.max(a, b)].map((time) =>
          createJobId({ clock: new VirtualClock(time), random }),
        );
        expect(jobIdTimeUnixMs(first ?? parseJobId(''))).toBe(Math.min(a, b));
        expect(a === b || (first ?? '') < (second ?? '')).toBe(true);
        expect(jobIdFloor(Math.min(a, b)) <= (first ?? '')).toBe(true);
      }),
    );
  });

  it('what was made is accepted, and nothing else', () => {
    const source = { clock: new VirtualClock(), random: createSeededRandom(3) };
    const id = createJobId(source);
    expect(parseJobId(id)).toBe(id);
    const workerId = createWorkerId('host-1.example', source);
    expect(parseWorkerId(workerId)).toBe(workerId);
    for (const bad of [
      '',
      id.slice(1),
      `${id}0`,
      id.toUpperCase(),
      id.replace(/.$/, 'u'),
      `${id}\n`,
      `../${id}`,
    ]) {
      expect(() => parseJobId(bad, 'job.id')).toThrow(
        /job\.id: .* is not allowed; allowed: a job id/,
      );
    }
    for (const bad of ['', 'x', id, `-${id}`, `a/b-${id}`, `A-${id}`, `${'a'.repeat(65)}-${id}`]) {
      expect(() => parseWorkerId(bad)).toThrow(/allowed: a worker id/);
    }
    expect(() => createWorkerId('Not A Name', source)).toThrow(/worker\.name/);
  });
});
