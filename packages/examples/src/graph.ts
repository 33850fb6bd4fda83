import { choose, type Flow, flow, graph, linear, link, named, task, when } from '@holdfast/flow';
import { z } from 'zod';

/** What is to be released. */
export interface ReleaseInput {
  readonly service: string;
  readonly commit: string;
  readonly stage: 'staging' | 'production';
  readonly changedFiles: readonly string[];
}

/** What the release did. */
export interface ReleaseOutput {
  readonly image: string;
  /** Missing where there was nothing to migrate. */
  readonly migrations?: number | undefined;
  readonly traffic: string;
  /** Missing where nobody was told. */
  readonly announcement?: string | undefined;
}

const service = z.string().min(1);
const commit = z.string().min(1);
const stage = z.enum(['staging', 'production']);
const files = z.array(z.string()).readonly();
const image = z.string();
const traffic = z.string();

const build = task({
  name: 'build',
  requires: { service, commit },
  provides: { image },
  execute: (values) => ({ image: `${values.service}:${values.commit}` }),
});

const findMigrations = task({
  name: 'find-migrations',
  requires: { changedFiles: files },
  provides: { found: files },
  execute: ({ changedFiles }) => ({
    found: changedFiles.filter((file) => file.startsWith('migrations/')),
  }),
});

const migrate = task({
  name: 'migrate',
  requires: { found: files },
  provides: { migrations: z.int() },
  execute: ({ found }) => ({ migrations: found.length }),
});

// One task under three names: what it is named says how much of the traffic it moves.
const shiftAll = task({
  name: 'shift-all',
  requires: { image, percent: z.number() },
  inject: { percent: 100 },
  provides: { traffic },
  execute: ({ percent, ...values }) => ({ traffic: `${percent}% to ${values.image}` }),
});

const rollOut = choose('roll-out', {
  requires: { stage },
  case: (values) => values.stage,
  cases: {
    staging: shiftAll,
    production: linear(
      'step-by-step',
      named('shift-a-tenth', shiftAll, { inject: { percent: 10 } }),
      named('shift-the-rest', shiftAll),
    ),
  },
});

const announce = when('tell-users', {
  if: { requires: { stage }, decide: (values) => values.stage === 'production' },
  do: task({
    name: 'announce',
    requires: { traffic },
    provides: { announcement: z.string() },
    execute: (values) => ({ announcement: `Released: ${values.traffic}` }),
  }),
});

/**
 * Steps in the order that their values and links ask for, some of them side by side. The database is
 * migrated only where a migration is found; a choice says how traffic moves, another who is told.
 */
export const release: Flow<ReleaseInput, ReleaseOutput> = flow({
  name: 'release',
  description: 'Builds, migrates where it has to, and moves the traffic',
  input: z.object({ service, commit, stage, changedFiles: files }),
  body: graph('release', {
    tasks: [build, findMigrations, migrate, rollOut, announce],
    links: [
      // A no skips the migration, and nothing that comes after it.
      link(findMigrations, migrate, {
        decide: (results) => results['find-migrations'].found.length > 0,
        depth: 'atom',
      }),
      // Traffic moves once the database is ready, though no value says so.
      [migrate, rollOut],
    ],
  }),
  output: ['image', 'migrations', 'traffic', 'announcement'],
});
