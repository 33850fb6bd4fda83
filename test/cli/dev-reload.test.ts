// `holdfast dev` reads modules of flows again when they change.
import { mkdirSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/cluster.ts';
import { RunningCommand, runCommand } from './command.ts';

// Below the repository, so that the module finds its imports; below `build`, which is not committed.
const folder = fileURLToPath(new URL('../../build/dev-reload', import.meta.url));
const module = join(folder, 'my-flows.ts');
const imported = join(folder, 'words.ts');
let dev: RunningCommand;
let address: string;

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  await writeFile(imported, "export const word: string = 'one';\n");
  await writeModule('first');
  dev = new RunningCommand(
    ['dev', '--flows', module, '--store', 'memory:', '--listen', '127.0.0.1:0'],
    { cwd: folder },
  );
  await eventually('dev has started', () => Promise.resolve(dev.stdout.includes('Ctrl-C')));
  address = /server {2}(\S+)/.exec(dev.stdout)?.[1] ?? '';
});

afterAll(async () => {
  await dev.stop();
  await rm(folder, { recursive: true, force: true });
});

function writeModule(name: string): Promise<void> {
  const lines = [
    "import { flow, task } from '@holdfast/flow';",
    "import { z } from 'zod';",
    "import { word } from './words.ts';",
    "const say = task({ name: 'say', provides: { said: z.string() }, execute: () => ({ said: word }) });",
    `export const it = flow({ name: '${name}', body: say });`,
  ];
  return writeFile(module, `${lines.join('\n')}\n`);
}

/** What the flow says now; empty when it can't be run. */
async function said(flow: string): Promise<string> {
  const args = ['post', flow, '--wait', '--address', address];
  const { status, stdout } = await runCommand(args);
  return status === 0 ? (JSON.parse(stdout) as { said: string }).said : '';
}

it('serves the flows of the module', async () => {
  expect(await said('first')).toBe('one');
});

it('loads the module again when a file that it imports changes', async () => {
  await writeFile(imported, "export const word: string = 'two';\n");
  await eventually('it says two', async () => (await said('first')) === 'two');
});

it('tells what is wrong with a broken module, and goes on with the flows that it has', async () => {
  await writeFile(imported, 'export const word: string = ;\n');
  await eventually('it tells', () => Promise.resolve(/words\.ts:1: SyntaxError/.test(dev.stderr)));
  expect(await said('first')).toBe('two');
});

it('comes back once the module is whole', async () => {
  await writeFile(imported, "export const word: string = 'three';\n");
  await writeModule('second');
  await eventually('it says three', async () => (await said('second')) === 'three');
});
