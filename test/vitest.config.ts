import { defineConfig, type ViteUserConfig } from 'vitest/config';

// `unit` is fast and does no I/O; `system` starts real stores and real processes and runs its files
// one after another, because two cores are all there is.
const config: ViteUserConfig = defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          root: new URL('..', import.meta.url).pathname,
          include: ['packages/*/src/**/*.test.ts'],
          environment: 'node',
          typecheck: { enabled: false },
        },
      },
      {
        test: {
          name: 'system',
          root: new URL('..', import.meta.url).pathname,
          include: ['test/**/*.test.ts'],
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
