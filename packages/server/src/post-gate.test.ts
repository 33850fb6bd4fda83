import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PostGate, type PostLoad } from './post-gate.ts';

const LIMIT: PostLoad = { jobs: 10, bytes: 1000 };

describe('the gate for posts', () => {
  test('lets through what fits, and turns the rest away without starting it', async () => {
    const gate = new PostGate(LIMIT);
    const first = Promise.withResolvers<string>();
    const passing = gate.pass({ jobs: 6, bytes: 10 }, () => first.promise);
    await expect(gate.pass({ jobs: 5, bytes: 10 }, neverCalled)).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      retryable: true,
    });
    await expect(gate.pass({ jobs: 1, bytes: 991 }, neverCalled)).rejects.toThrow(/1000 bytes/);
    await expect(gate.pass({ jobs: 4, bytes: 990 }, async () => 'fits')).resolves.toBe('fits');
    first.resolve('done');
    await expect(passing).resolves.toBe('done');
    await expect(gate.pass({ jobs: 10, bytes: 1000 }, async () => 'room')).resolves.toBe('room');
  });

  test('lets a request through that is alone, however large', async () => {
    const gate = new PostGate(LIMIT);
    await expect(gate.pass({ jobs: 11, bytes: 5000 }, async () => 'ok')).resolves.toBe('ok');
  });

  test('never has more on its way than its limit, and nothing in the end', async () => {
    const load = fc.record({ jobs: fc.integer({ min: 1, max: 10 }), bytes: fc.nat(1000) });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(load, fc.boolean()), { maxLength: 30 }), async (posts) => {
        const gate = new PostGate(LIMIT);
        const open: (() => void)[] = [];
        const results = posts.map(([wanted, fails]) => {
          if (open.length > 3) open.shift()?.();
          return gate.pass(wanted, async () => {
            await new Promise<void>((resolve) => open.push(resolve));
            expect(gate.load.jobs).toBeLessThanOrEqual(LIMIT.jobs);
            expect(gate.load.bytes).toBeLessThanOrEqual(LIMIT.bytes);
            if (fails) throw new Error('refused by the store');
          });
        });
        for (const release of open) release();
        await Promise.allSettled(results);
        expect(gate.load).toEqual({ jobs: 0, bytes: 0 });
      }),
    );
  });
});

async function neverCalled(): Promise<never> {
  throw new Error('what does not fit is not started');
}
