import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { TerminalError } from '@holdfast/core';
import { type Flow, flow, linear, map, task } from '@holdfast/flow';
import { z } from 'zod';

/** What is to be built. */
export interface BuildInput {
  readonly modules: readonly {
    readonly name: string;
    /** Lines of code; `import NAME` stands for everything of that module. */
    readonly source: string;
  }[];
  /** How long each step takes beyond its work, in milliseconds: for watching it. Default: 0. */
  readonly paceMs?: number | undefined;
}

/** What was built. */
export interface BuildOutput {
  /** A line for each module, in the order of the list: how many lines it has. */
  readonly reports: readonly string[];
  /** The code of all modules, each after those that it imports. */
  readonly program: string;
  readonly digest: string;
}

/** A linker that nobody has started is missed after this time. */
const LINKER_TIMEOUT_MS = 600_000;

const sourceModule = z.object({ name: z.string().min(1), source: z.string() });
const modules = z.array(sourceModule).readonly();
const object = z.object({
  name: z.string(),
  imports: z.array(z.string()).readonly(),
  code: z.array(z.string()).readonly(),
});
const paceMs = z.int().min(0).default(0);

/** A module that was compiled. */
type ObjectFile = z.infer<typeof object>;

async function pace(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await delay(ms, undefined, { signal });
}

const compile = task({
  name: 'compile',
  requires: { module: sourceModule, paceMs },
  provides: { object },
  execute: async (values, { signal }) => {
    await pace(values.paceMs, signal);
    const lines = values.module.source.split('\n').filter((line) => line.trim() !== '');
    const imports = lines.flatMap((line) => /^import (\S+)$/.exec(line)?.[1] ?? []);
    const code = lines.filter((line) => !line.startsWith('import '));
    return { object: { name: values.module.name, imports, code } };
  },
});

const test = task({
  name: 'test',
  requires: { object, modules, paceMs },
  provides: { report: z.string() },
  execute: async (values, { signal }) => {
    await pace(values.paceMs, signal);
    const { name, imports, code } = values.object;
    const missing = imports.find((each) => !values.modules.some((other) => other.name === each));
    if (missing !== undefined) {
      throw new TerminalError(`${name} imports ${missing}, which is no module of this build`);
    }
    return { report: `${name}: code ${code.length}, imports ${imports.length}` };
  },
});

const buildAll = map('build-all', {
  over: 'modules',
  as: 'module',
  concurrency: 8,
  body: linear('build', compile, test),
  collect: { object: 'objects', report: 'reports' },
});

const linkProgram = task({
  name: 'link',
  requires: { objects: z.array(object).readonly(), paceMs },
  provides: { program: z.string() },
  runs: { labels: { role: 'linker' } },
  startTimeoutMs: LINKER_TIMEOUT_MS,
  execute: async (values, { signal }) => {
    await pace(values.paceMs, signal);
    return {
      program: inOrder(values.objects)
        .flatMap(({ code }) => code)
        .join('\n'),
    };
  },
});

const sign = task({
  name: 'sign',
  requires: { program: z.string() },
  provides: { digest: z.string() },
  runs: 'here',
  execute: ({ program }) => ({ digest: createHash('sha256').update(program).digest('hex') }),
});

/**
 * A build over the whole fleet: each module is compiled and tested by whichever worker has room, all of
 * them linked by one that is labelled as a linker, and the program signed where the flow itself is held.
 * A worker that dies costs the steps that it had under way, and no other; so does the flow's holder.
 */
export const distributedBuild: Flow<BuildInput, BuildOutput> = flow({
  name: 'distributed-build',
  description: 'Compiles and tests modules all over the fleet, and links them',
  input: z.object({ modules, paceMs }),
  runs: 'anywhere',
  body: linear('distributed-build', buildAll, linkProgram, sign),
  output: ['reports', 'program', 'digest'],
});

/** Each after those that it imports. Throws for modules that import each other. */
function inOrder(objects: readonly ObjectFile[]): readonly ObjectFile[] {
  const byName = new Map(objects.map((each) => [each.name, each]));
  const done = new Set<ObjectFile>();
  const visit = (each: ObjectFile, path: readonly string[]): void => {
    if (done.has(each)) return;
    if (path.includes(each.name)) {
      throw new TerminalError(`modules import each other: ${[...path, each.name].join(' → ')}`);
    }
    for (const name of each.imports) {
      const imported = byName.get(name);
      if (imported) visit(imported, [...path, each.name]);
    }
    done.add(each);
  };
  for (const each of objects) visit(each, []);
  return [...done];
}
