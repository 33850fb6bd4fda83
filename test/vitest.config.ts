import { defineConfig, type ViteUserConfig } from 'vitest/config';

// `tidy` reads the repository's own text; `unit` is fast and does no I/O. `system` starts real stores and
// real processes, which wait more than they work, so two of its files run side by side. `timed` judges how
// long something takes, or strikes stores and processes as hard as it can: its files run alone.
const root = new URL('..', import.meta.url).pathname;

/** Where how long a thing takes is judged. */
const timed = [
  'test/chaos/**/*.test.ts',
  'test/conformance/*-faults.test.ts',
  'test/system/{g2-one-writer,g5-takeover,herd,storm}.test.ts',
  'test/weather/**/*.test.ts',
];

const config: ViteUserConfig = defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'tidy',
          root,
          include: ['test/tidy/**/*.test.ts'],
          environment: 'node',
          // One of them runs tsc, which has to share the machine with the other steps of the check.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'unit',
          root,
          include: ['packages/*/src/**/*.test.ts'],
          environment: 'node',
        },
      },
      {
        test: {
          name: 'system',
          root,
          include: ['test/**/*.test.ts'],
          exclude: ['test/tidy/**', ...timed],
          environment: 'node',
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'timed',
          root,
          include: timed,
          environment: 'node',
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});

export default config;
