import { defineConfig, type ViteUserConfig } from 'vitest/config';

// `tidy` reads the repository's own text; `unit` is fast and does no I/O; `system` starts real stores
// and real processes and runs its files one after another, so that they don't take time from each other.
const root = new URL('..', import.meta.url).pathname;

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
          exclude: ['test/tidy/**'],
          environment: 'node',
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});

export default config;
