// The packages as users get them: built, packed, installed from the tarballs in an empty project, and
// run there by plain Node, with nothing of the workspace in reach.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = new URL('../..', import.meta.url).pathname;
const PROGRAM = join(ROOT, 'test/pack/program');
const INSTALL_TIMEOUT_MS = 300_000;
const OUTPUT_LIMIT_BYTES = 16_777_216;

const run = promisify(execFile);
let project = '';

beforeAll(async () => {
  await run(process.execPath, [join(ROOT, '.ci/build.ts')]);
  project = await mkdtemp(join(tmpdir(), 'holdfast-pack-'));
  const packages = (await readdir(join(ROOT, 'build'), { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(ROOT, 'build', entry.name));
  const built = await Promise.all(packages.map(hasManifest));
  await npm('pack', '--silent', ...packages.filter((_, index) => built[index]));
  await writeFile(join(project, 'package.json'), JSON.stringify({ type: 'module', private: true }));
  const tarballs = (await readdir(project)).filter((name) => name.endsWith('.tgz'));
  await npm(
    ...['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', '--silent'],
    ...[...tarballs.map((name) => `./${name}`), await zodOfWorkspace()],
  );
  await cp(PROGRAM, project, { recursive: true });
}, INSTALL_TIMEOUT_MS);

afterAll(async () => {
  await rm(project, { recursive: true, force: true });
});

describe('the packed packages', () => {
  it('hold no sources, no tests and no link to the workspace', async () => {
    const installed = join(project, 'node_modules/@holdfast');
    const files = await readdir(installed, { recursive: true });
    expect(files.length).toBeGreaterThan(50);
    expect(files.filter((file) => /(?<!\.d)\.ts$|\.test\./.test(file))).toEqual([]);
    for (const name of await readdir(installed)) {
      const text = await readFile(join(installed, name, 'package.json'), 'utf8');
      expect(text).not.toContain('src/');
      expect(files).toContain(join(name, 'LICENSE'));
      expect(files).toContain(join(name, 'README.md'));
    }
  });

  it('leave the private ones out', async () => {
    expect(await readdir(join(project, 'node_modules/@holdfast'))).not.toContain('examples');
  });

  it('run a flow', async () => {
    expect(await node('run-flow.ts')).toBe("{ greeting: 'Hello, Ada!' }\n");
  });

  it('bring the testing kit', async () => {
    expect(await node('test-flow.ts')).toBe(
      'pending -> running -> pending -> running -> success\n',
    );
  });

  it('run a job on a board with a worker', async () => {
    expect(await node('run-board.ts')).toBe("succeeded { greeting: 'Hello, Grace!' }\n");
  });

  it('run TypeScript and JavaScript in threads', async () => {
    expect(await node('run-threads.ts')).toBe('{ primes: 168 }\ntrue\n');
  });

  it('bring the holdfast command', async () => {
    const { stdout } = await run(join(project, 'node_modules/.bin/holdfast'), ['--help'], {
      cwd: project,
    });
    expect(stdout).toContain('Usage: holdfast');
  });

  it('serve flows from one process, and post to them', async () => {
    const dev = spawn(
      join(project, 'node_modules/.bin/holdfast'),
      ['dev', '--flows', './greeting.ts', '--listen', '127.0.0.1:0', '--store', 'sqlite:board.db'],
      {
        cwd: project,
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, HOLDFAST_LOG_LEVEL: 'error' },
      },
    );
    const ended = once(dev, 'exit');
    try {
      const address = await serverAddress(dev.stdout);
      const { stdout } = await run(
        join(project, 'node_modules/.bin/holdfast'),
        ['post', 'greeting', '--input', '{"name":"Edsger"}', '--wait', '--address', address],
        { cwd: project },
      );
      expect(stdout).toContain('Hello, Edsger!');
    } finally {
      dev.kill('SIGTERM');
    }
    expect(await ended).toEqual([0, null]);
  });

  it('have types that a strict program can use', async () => {
    const config = {
      compilerOptions: {
        ...{ target: 'es2024', module: 'nodenext', strict: true, noEmit: true },
        ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
        ...{ allowImportingTsExtensions: true, lib: ['es2024', 'esnext.disposable'] },
        ...{ types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')] },
        // Declarations are checked too, so that an import that leads nowhere is found.
        skipLibCheck: false,
      },
      include: ['*.ts'],
    };
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify(config));
    const problems = (await typeErrors()).split('\n').filter((line) => /error TS/.test(line));
    // What other packages ship is theirs to check.
    const ours = problems.filter(
      (line) => !line.startsWith('node_modules/') || line.startsWith('node_modules/@holdfast/'),
    );
    expect(ours).toEqual([]);
  });
});

async function hasManifest(folder: string): Promise<boolean> {
  return (await readdir(folder)).includes('package.json');
}

/** The program uses zod, in the version that the workspace uses. */
async function zodOfWorkspace(): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  // Our own file, whose shape the tidy tests know.
  return `zod@${(manifest as { devDependencies: { zod: string } }).devDependencies.zod}`;
}

async function npm(...args: readonly string[]): Promise<void> {
  await run('npm', args, { cwd: project, maxBuffer: OUTPUT_LIMIT_BYTES });
}

/** What a program prints. */
async function node(program: string): Promise<string> {
  const { stdout } = await run(process.execPath, [program], { cwd: project });
  return stdout;
}

/** The address that `holdfast dev` prints. */
async function serverAddress(output: Readable): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    const address = /^\s*server\s+(?<address>\S+:\d+)/.exec(line)?.groups?.['address'];
    if (address !== undefined) return address;
  }
  throw new Error('holdfast dev ended without naming its address');
}

/** What tsc says about the program in the project. */
async function typeErrors(): Promise<string> {
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  try {
    const { stdout } = await run(process.execPath, [tsc, '-p', '.'], {
      cwd: project,
      maxBuffer: OUTPUT_LIMIT_BYTES,
    });
    return stdout;
  } catch (error) {
    // execFile rejects with an error that carries the output when the exit status isn't 0.
    return String((error as { stdout?: string }).stdout ?? error);
  }
}
