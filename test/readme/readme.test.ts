// README's first flow, run as a newcomer would: the two files as they stand there, and its commands.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/cluster.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const HOLDFAST = join(ROOT, 'packages/cli/bin/holdfast.js');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** The fence of README whose first line names this file. */
function fileFromReadme(name: string): string {
  const code = new RegExp(`\`\`\`ts\\n// ${name}\\n([\\s\\S]*?)\`\`\``).exec(README)?.[1];
  if (code === undefined) throw new Error(`README shows no ${name}`);
  return code;
}

/** The arguments of README's one command line that starts like this. */
function commandFromReadme(start: string): readonly string[] {
  const line = README.split('\n').find((text) => text.startsWith(`npx holdfast ${start}`));
  if (line === undefined) throw new Error(`README shows no npx holdfast ${start}`);
  const words = line.match(/'[^']*'|\S+/g) ?? [];
  return words.slice(2).map((word) => word.replaceAll("'", ''));
}

describe('README: your first flow', () => {
  let folder = '';
  let env: NodeJS.ProcessEnv = {};
  let dev: ReturnType<typeof spawn> | undefined;

  beforeAll(async () => {
    // Below the repository, so that the imports find the packages.
    mkdirSync(join(ROOT, 'build'), { recursive: true });
    folder = mkdtempSync(join(ROOT, 'build/readme-'));
    for (const name of ['my-flows.ts', 'post.ts'])
      writeFileSync(join(folder, name), fileFromReadme(name));
    const address = `127.0.0.1:${await freePort()}`;
    env = { ...process.env, NO_COLOR: '1', HOLDFAST_ADDRESS: address, HOLDFAST_LISTEN: address };
    dev = spawn(process.execPath, [HOLDFAST, ...commandFromReadme('dev')], {
      cwd: folder,
      env,
      stdio: 'ignore',
    });
    await eventually('the flow is registered', async () =>
      (await holdfast(['flows'])).stdout.includes('welcome'),
    );
  });

  afterAll(async () => {
    if (dev && dev.exitCode === null) {
      const ended = once(dev, 'exit');
      dev.kill('SIGTERM');
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  });

  async function holdfast(
    args: readonly string[],
  ): Promise<{ stdout: string; stderr: string; status: number }> {
    return await run([HOLDFAST, ...args]);
  }

  async function run(
    args: readonly string[],
  ): Promise<{ stdout: string; stderr: string; status: number }> {
    try {
      return {
        ...(await promisify(execFile)(process.execPath, [...args], { cwd: folder, env })),
        status: 0,
      };
    } catch (error) {
      const {
        stdout = '',
        stderr = '',
        code = -1,
      } = error as { stdout?: string; stderr?: string; code?: number }; // what execFile rejects with
      return { stdout, stderr, status: code };
    }
  }

  it('posting from the command line prints the output', async () => {
    const { stdout, status } = await holdfast(commandFromReadme('post welcome'));
    expect(JSON.parse(stdout)).toEqual({ greeting: 'Hello, world!', letters: 13 });
    expect(status).toBe(0);
  });

  it('bad input is refused with the field that is wrong', async () => {
    const { stderr, status } = await holdfast(['post', 'welcome', '--input', '{"who":""}']);
    expect(stderr).toContain('input.who');
    expect(stderr).not.toContain('    at ');
    expect(status).toBe(2);
    expect(README).toContain(`npx holdfast post welcome --input '{"who":""}'`);
  });

  it('the jobs are listed', async () => {
    const { stdout } = await holdfast(commandFromReadme('jobs'));
    expect(stdout).toContain('welcome');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('the typed client gets the typed output', async () => {
    const { stdout, stderr } = await run(['post.ts']);
    expect(stderr).toBe('');
    expect(stdout).toBe('Hello, world! (13 letters)\n');
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
