// The commands that change stopped jobs, against a real `holdfast dev`.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/cluster.ts';
import { type CommandResult, RunningCommand, runCommand } from './command.ts';

const FLOWS = fileURLToPath(new URL('./change-flows.ts', import.meta.url));

let folder: string;
let dev: RunningCommand;
let address: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-change-'));
  dev = new RunningCommand(
    ['dev', '--flows', FLOWS, '--store', 'memory:', '--listen', '127.0.0.1:0'],
    { cwd: folder },
  );
  await eventually('dev has started', () => Promise.resolve(dev.stdout.includes('Ctrl-C')));
  address = /server {2}(\S+)/.exec(dev.stdout)?.[1] ?? '';
});

afterAll(async () => {
  await dev.stop();
  await rm(folder, { recursive: true, force: true });
});

function holdfast(...args: readonly string[]): Promise<CommandResult> {
  return runCommand(args, { env: { HOLDFAST_ADDRESS: address } });
}

async function stateOf(id: string): Promise<string> {
  const { stdout } = await holdfast('job', id, '--json');
  return (JSON.parse(stdout) as { state: string }).state;
}

async function failed(flow: string): Promise<string> {
  const id = (await holdfast('post', flow)).stdout.trim();
  await eventually('it has failed', async () => (await stateOf(id)) === 'failed');
  return id;
}

function expectToFit(text: string): void {
  for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  expect(text).not.toMatch(/(?!\n)\p{Cc}/u);
}

describe('a job that has failed', () => {
  it('goes on from a task with a value that an operator set, and its history says so', async () => {
    const id = await failed('release');
    const value = 'address="10.0.0.7"';
    const dry = await holdfast('set', id, 'resolve', value, '--dry-run');
    expect(dry.stdout).toBe(
      `job ${id} is failed; nothing is changed\n` +
        'TASK     WAS       WOULD BE  WITH\n' +
        'resolve  reverted  success   {"address":"10.0.0.7","zone":"eu"}\n',
    );
    const set = await holdfast(
      ...['set', id, 'resolve', value, '--by', 'ada', '--reason', 'the record was stale'],
    );
    expect(set.stdout).toContain(`job ${id} is changed, and still failed\n`);
    expect(set.stderr).toBe(`Let it go on with: holdfast retry ${id} --from TASK\n`);
    const retried = await holdfast('retry', id, '--from', 'deploy');
    expect(retried).toEqual({
      status: 0,
      stdout:
        `job ${id} is changed, and ready\n` + 'TASK    WAS       IS\ndeploy  reverted  pending\n',
      stderr: '',
    });
    await eventually('it has succeeded', async () => (await stateOf(id)) === 'succeeded');
    const shown = (await holdfast('job', id)).stdout;
    expectToFit(shown);
    expect(shown).toMatch(/^ +1 +ada +\S.* +set resolve +the record was stale$/m);
    expect(shown).toContain('"url":"https://10.0.0.7/"');
    const json = JSON.parse((await holdfast('job', id, '--json')).stdout) as object;
    expect(json).toMatchObject({
      changes: [
        { seq: 1, by: 'ada', changes: [{ kind: 'setResult', values: { address: '10.0.0.7' } }] },
        { seq: 2, changes: [{ kind: 'retryFrom', task: 'deploy' }], resumed: true },
      ],
    });
    expect((await holdfast('retry', id, '--from', 'deploy')).status).toBe(5);
  });

  it('skips a task, with the values that others need of it', async () => {
    const id = await failed('release');
    const missing = await holdfast('skip', id, 'deploy');
    expect(missing.status).toBe(2);
    expect(missing.stderr).toContain('task announce needs url of deploy; give it');
    const skipped = await holdfast('skip', id, 'deploy', 'url="x"', '--resume', '--json');
    expect(JSON.parse(skipped.stdout)).toMatchObject({ id, state: 'ready', dryRun: false });
    await eventually('it has succeeded', async () => (await stateOf(id)) === 'succeeded');
  });

  it('is begun again as another one', async () => {
    const id = await failed('release');
    const forked = await holdfast(
      'fork',
      id,
      '--set',
      'resolve:address="b"',
      '--key',
      id,
      '--json',
    );
    const { id: other } = JSON.parse(forked.stdout) as { id: string };
    await eventually('it has succeeded', async () => (await stateOf(other)) === 'succeeded');
    const shown = (await holdfast('job', other)).stdout;
    expectToFit(shown);
    expect(shown).toContain(`forked    from ${id}\n`);
    const again = await holdfast('fork', id, '--set', 'resolve:address="b"', '--key', id);
    expect(again).toMatchObject({ stdout: `${other}\n`, status: 0 });
    expect((await holdfast('fork', id, '--key', id)).status).toBe(4);
    expect((await holdfast('fork', other)).status).toBe(5);
    expect((await holdfast('fork', id, '--set', 'resolve')).status).toBe(2);
  });

  it('has a revert that failed: tried again, resolved by hand, and the rest reverted', async () => {
    const id = await failed('provision');
    const again = await holdfast('revert', id, 'create-volume');
    expect(again.stdout).toContain('create-volume  revert failure  reverting\n');
    await eventually('it has failed again', async () => (await stateOf(id)) === 'failed');
    const stuck = await holdfast('retry', id, '--from', 'deploy');
    expect(stuck.status).toBe(5);
    expect(stuck.stderr).toContain('the revert of task create-volume failed');
    const resolved = await holdfast('resolve', id, 'create-volume');
    expect(resolved.stdout).toContain('create-volume  revert failure  reverted\n');
    expect(resolved.stderr).toBe(`Revert what is left with: holdfast revert ${id}\n`);
    await holdfast('revert', id, '--reason', 'it is not needed');
    await eventually('it is cancelled', async () => (await stateOf(id)) === 'cancelled');
    expectToFit((await holdfast('job', id)).stdout);
  });

  it('is not changed by what is wrong', async () => {
    const id = await failed('release');
    const unknown = await holdfast('retry', id, '--from', 'deplo');
    expect(unknown.status).toBe(2);
    expect(unknown.stderr).toContain(
      '"deplo" is no task of flow release; it has resolve, deploy, announce',
    );
    expect((await holdfast('retry', id)).status).toBe(2);
    expect((await holdfast('set', id, 'resolve', 'address=x')).status).toBe(2);
    expect((await holdfast('set', id, 'resolve', 'address')).status).toBe(2);
    expect((await holdfast('set', id, 'resolve', 'zone=1', '--by', '')).status).toBe(2);
    expect((await holdfast('revert', '01k9zsvm4p8x2q7c5t3r6y1w0n')).status).toBe(3);
    expect((await holdfast('job', id)).stdout).not.toContain('CHANGE');
  });
});
