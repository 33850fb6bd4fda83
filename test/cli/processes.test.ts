// Commands as processes: an older node, signals, tokens and TLS, the doctor on a damaged board.
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { openStore } from '@holdfast/cli';
import { silentLogger, systemClock, systemRandom } from '@holdfast/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCertificates } from '../support/certificates.ts';
import { eventually } from '../support/cluster.ts';
import { COMMAND, RunningCommand, runCommand, SAMPLE_FLOWS } from './command.ts';

let folder: string;
let running: RunningCommand[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-cli-'));
  running = [];
});

afterEach(async () => {
  await Promise.all(running.map((command) => command.stop()));
  await rm(folder, { recursive: true, force: true });
});

function start(...args: readonly string[]): RunningCommand {
  const command = new RunningCommand(args, { env: { HOLDFAST_LOG_LEVEL: 'info' } });
  running.push(command);
  return command;
}

/** The address of a server that logs where it listens. */
async function addressOf(server: RunningCommand): Promise<string> {
  const pattern = /"address":"([^"]+)"/;
  await eventually('it listens', () => Promise.resolve(pattern.test(server.stderr)));
  return pattern.exec(server.stderr)?.[1] ?? '';
}

describe("the shell's own node", () => {
  it('is enough, whatever its version: the command runs itself with the pinned one', async () => {
    const { status, stdout } = await runCommand(['--version'], { node: systemNode() });
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
    const refused = await runCommand(['jobs', '--state', 'x'], { node: systemNode() });
    expect(refused.status, 'the exit status is kept').toBe(2);
  });

  it('gets signals handed on', async () => {
    const server = new RunningCommand(['server', '--store', 'memory:', '--listen', '127.0.0.1:0'], {
      node: systemNode(),
    });
    await addressOf(server);
    expect(await server.stop()).toMatchObject({ status: 0 });
  });

  it('where it is too old and no other is there, is told to be so in one line', async () => {
    const bin = join(folder, 'package', 'bin');
    await mkdir(bin, { recursive: true });
    await writeFile(join(folder, 'package', 'package.json'), '{"type":"module"}');
    await copyFile(COMMAND, join(bin, 'holdfast.js'));
    const node = systemNode();
    const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    const { status, stderr } = await runCommand(['jobs'], { node, file: join(bin, 'holdfast.js') });
    expect(status).toBeGreaterThan(0);
    // A newer one finds that the rest of the package is missing, which only this test can bring about.
    const isOld = Number(version.slice(1).split('.')[0]) < 24;
    expect(stderr).toMatch(
      isOld
        ? /^holdfast: needs Node 24 or newer, and this is v\S+; [^\n]+\n$/
        : /^holdfast: Error.*Cannot find module/,
    );
  });

  /** The first node on the PATH outside of this repository. */
  function systemNode(): string {
    const folders = (process.env['PATH'] ?? '').split(delimiter);
    const path = folders.filter((each) => !each.includes('node_modules')).join(delimiter);
    const script = 'process.stdout.write(process.execPath)';
    return execFileSync('/usr/bin/env', ['node', '-e', script], {
      encoding: 'utf8',
      env: { ...process.env, PATH: path },
    });
  }
});

describe('signals', () => {
  it('SIGTERM drains a worker: its job is handed back and run elsewhere', async () => {
    const store = ['--store', `sqlite:${join(folder, 'board.db')}`];
    const server = start('server', ...store, '--listen', '127.0.0.1:0');
    const address = ['--address', await addressOf(server)];
    const flows = ['--flows', SAMPLE_FLOWS];
    const first = start('worker', ...store, ...flows, '--name', 'first', '--drain-timeout', '0s');
    await eventually('it joins', () => Promise.resolve(first.stderr.includes('joined the fleet')));
    const id = (await runCommand(['post', 'endless', ...address])).stdout.trim();
    const text = async (): Promise<string> => (await runCommand(['job', id, ...address])).stdout;
    await eventually('it runs', async () => (await text()).includes('on first-'));
    expect(await first.stop()).toMatchObject({ status: 0 });
    expect(await text()).toMatch(/1 {2}first-.* released/);
    const second = start('worker', ...store, ...flows, '--name', 'second');
    await eventually('it runs again', async () => (await text()).includes('on second-'));
    const worker = /on (second-\S+)/.exec(await text())?.[1] ?? '';
    await runCommand(['cancel', id, ...address]);
    const drained = await runCommand(['drain', worker, ...address]);
    expect(drained.stdout).toContain(`worker ${worker} takes no new jobs`);
    expect((await second.end()).status, 'a drained worker ends its supervisor too').toBe(0);
    expect((await server.stop()).status).toBe(0);
  });
});

describe('a signal to a whole process group', () => {
  it('drains a worker once, although it is passed on to it as well', async () => {
    const store = ['--store', `sqlite:${join(folder, 'group.db')}`];
    const flows = ['--flows', SAMPLE_FLOWS];
    const worker = start('worker', ...store, ...flows, '--name', 'grouped');
    await eventually('it joins', () => Promise.resolve(worker.stderr.includes('joined the fleet')));
    worker.signal('SIGTERM');
    worker.signal('SIGTERM'); // The copy that a parent passes on.
    expect((await worker.end()).status).toBe(0);
    expect(worker.stderr).toContain('left the fleet');
    expect(worker.stderr).not.toContain('stopping at once');
  });
});

describe('a server that is not for everybody', () => {
  it('asks for its token', async () => {
    const server = start(
      'server',
      '--store',
      'memory:',
      '--listen',
      '127.0.0.1:0',
      '--token',
      'abc',
    );
    const address = ['--address', await addressOf(server)];
    const without = await runCommand(['jobs', ...address]);
    expect(without.status).toBe(6);
    expect(without.stderr).toMatch(/^holdfast: the call carries no token[^\n]*\n$/);
    const wrong = await runCommand(['jobs', ...address, '--token', 'abd']);
    expect(wrong.status).toBe(6);
    const right = await runCommand(['jobs', ...address], { env: { HOLDFAST_TOKEN: 'abc' } });
    expect(right.status).toBe(0);
  });

  it('speaks TLS, and asks for a certificate', async () => {
    await using certificates = await createCertificates();
    const server = start(
      ...['server', '--store', 'memory:', '--listen', '127.0.0.1:0'],
      ...['--tls-cert', certificates.serverCert, '--tls-key', certificates.serverKey],
      ...['--tls-client-ca', certificates.ca],
    );
    const address = ['--address', await addressOf(server)];
    const tls = ['--tls-ca', certificates.ca];
    const own = ['--tls-cert', certificates.clientCert, '--tls-key', certificates.clientKey];
    // Nothing of Node's own either, such as a warning that the address is no server name.
    const known = await runCommand(['jobs', ...address, ...tls, ...own]);
    expect(known).toMatchObject({ status: 0, stderr: 'No jobs.\n' });
    expect((await runCommand(['jobs', ...address, ...tls])).status).toBe(7);
    expect((await runCommand(['jobs', ...address])).status).toBe(7);
  });
});

describe('the doctor', () => {
  it('finds what is damaged, repairs it when asked to, and then finds nothing', async () => {
    const url = `sqlite:${join(folder, 'board.db')}`;
    const server = start('server', '--store', url, '--listen', '127.0.0.1:0');
    const worker = start('worker', '--store', url, '--flows', SAMPLE_FLOWS, '--queues', 'other');
    await eventually('it joins', () => Promise.resolve(worker.stderr.includes('joined the fleet')));
    const address = await addressOf(server);
    await runCommand(['post', 'endless', '--address', address]);
    const well = await runCommand(['doctor', '--store', url]);
    expect(well).toMatchObject({ status: 0, stdout: expect.stringContaining('all records agree') });

    const coord = await openStore(url, {
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
    const { entries } = await coord.list({ prefix: 'ready/', limit: 100 });
    for (const { key } of entries)
      await coord.commit({ when: [], write: [{ kind: 'remove', key }] });
    await coord.stop();

    const damaged = await runCommand(['doctor', '--store', url]);
    expect(damaged.status).toBe(1);
    expect(damaged.stdout).toMatch(/^problem {3}missing-index-entry at ready\//m);
    const repaired = await runCommand(['doctor', '--store', url, '--repair', '--json']);
    expect(repaired.status).toBe(0);
    expect(JSON.parse(repaired.stdout)).toMatchObject({ problems: [{ repaired: true }] });
    expect((await runCommand(['doctor', '--store', url])).status).toBe(0);
  });
});
