// What the command says about itself.
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { runCommand } from './command.ts';
import { expectToFit } from './expect-to-fit.ts';

describe('help', () => {
  it('fits in 80 columns, for every command, and most have examples', async () => {
    const top = await runCommand(['--help']);
    expectToFit(top.stdout);
    const commands = [...top.stdout.matchAll(/^ {2}([a-z]+)(?= )/gm)].map(([, name]) => name);
    expect(commands).toEqual(
      ['dev', 'run', 'server', 'worker', 'post', 'jobs', 'job', 'watch'].concat(
        ...['signal', 'suspend', 'resume', 'cancel', 'revive'],
        ...['retry', 'set', 'skip', 'revert', 'resolve', 'fork'],
        ...['flows', 'flow', 'workers', 'drain', 'doctor'],
      ),
    );
    const helps = await Promise.all([
      // What can be done with one flow is said further down.
      ...commands
        .filter((name) => name !== 'flow')
        .map((name) => runCommand([name ?? '', '--help'])),
      runCommand(['flow', 'graph', '--help']),
    ]);
    for (const { status, stdout, stderr } of helps) {
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expectToFit(stdout);
      expect(stdout).toMatch(/\nExamples?:\n {2}\S/);
    }
  });

  it('tells the version', async () => {
    const manifest = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
    const { version } = JSON.parse(manifest) as { version: string };
    expect(await runCommand(['--version'])).toEqual({
      status: 0,
      stdout: `${version}\n`,
      stderr: '',
    });
  });
});
