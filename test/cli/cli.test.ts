// The command line as people and scripts use it: real commands against a real `holdfast dev`.
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/cluster.ts';
import { type CommandResult, RunningCommand, runCommand, SAMPLE_FLOWS } from './command.ts';
import { expectToFit } from './expect-to-fit.ts';

let folder: string;
let dev: RunningCommand;
let address: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-cli-'));
  dev = new RunningCommand(
    ['dev', '--flows', SAMPLE_FLOWS, '--store', 'memory:', '--listen', '127.0.0.1:0'],
    { cwd: folder },
  );
  await eventually('dev has started', () => Promise.resolve(dev.stdout.includes('Ctrl-C')));
  address = /server {2}(\S+)/.exec(dev.stdout)?.[1] ?? '';
});

afterAll(async () => {
  const { status } = await dev.stop();
  await rm(folder, { recursive: true, force: true });
  expect(status, 'dev stops in order').toBe(0);
});

/** Runs a command against the server of this test. */
function holdfast(...args: readonly string[]): Promise<CommandResult> {
  return runCommand(args, { env: { HOLDFAST_ADDRESS: address } });
}

/** Posts a job and returns its id. */
async function post(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await holdfast('post', ...args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.trim();
}

async function stateOf(id: string): Promise<string> {
  const { stdout } = await holdfast('job', id, '--json');
  return (JSON.parse(stdout) as { state: string }).state;
}

describe('dev', () => {
  it('says where it is, what it serves and what to try next', () => {
    expectToFit(dev.stdout);
    expect(dev.stdout).toContain('flows   ');
    expect(dev.stdout).toMatch(/holdfast post \S+ --input '\{.*\}' --wait/);
  });

  it('leaves no files behind with the memory store', () => {
    expect(existsSync(join(folder, '.holdfast'))).toBe(false);
  });
});

describe('post', () => {
  it('prints the id, and with --wait the output', async () => {
    expect(await post('hello', '--input', '{"who":"a"}')).toMatch(/^[0-9a-z]{26}$/);
    const waited = await holdfast('post', 'hello', '--input', '{"who":"world"}', '--wait');
    expect(waited.status).toBe(0);
    expect(JSON.parse(waited.stdout)).toEqual({ greeting: 'Hello, world!' });
  });

  it('with --wait says why the job waits, also without a terminal', async () => {
    const running = new RunningCommand(['post', 'approval', '--wait'], {
      env: { HOLDFAST_ADDRESS: address },
    });
    await eventually('it waits', () => Promise.resolve(running.stderr.includes(' waits: ')));
    const id = /^posted job (\S+)$/m.exec(running.stderr)?.[1] ?? '';
    expect(running.stderr).toContain("task decision waits for signal 'approved'");
    expect((await holdfast('signal', id, 'approved')).stderr).toBe('');
    expect((await running.end()).status).toBe(0);
  });

  it('takes its input from a file or from standard input', async () => {
    const file = join(folder, 'input.json');
    await writeFile(file, '{"who":"file"}');
    const settings = { env: { HOLDFAST_ADDRESS: address }, stdin: '{"who":"pipe"}' };
    const fromFile = await runCommand(['post', 'hello', '--input', `@${file}`, '--wait'], settings);
    expect(JSON.parse(fromFile.stdout)).toEqual({ greeting: 'Hello, file!' });
    const piped = await runCommand(['post', 'hello', '--input', '-', '--wait'], settings);
    expect(JSON.parse(piped.stdout)).toEqual({ greeting: 'Hello, pipe!' });
  });

  it('ends with status 1 and the failure when the job fails', async () => {
    const { status, stdout, stderr } = await holdfast('post', 'failing', '--wait');
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(
      /^holdfast: job \S+ of flow failing failed in task break-down: TerminalError: it cannot/m,
    );
    expect(stderr).not.toContain('    at ');
  });

  it('gives the same job for the same key, and refuses the key for another', async () => {
    const first = await post('hello', '--input', '{"who":"a"}', '--key', 'k1');
    const again = await holdfast('post', 'hello', '--input', '{"who":"a"}', '--key', 'k1');
    expect(again.stdout.trim()).toBe(first);
    expect(again.stderr).toContain('This key was used before');
    const other = await holdfast('post', 'hello', '--input', '{"who":"b"}', '--key', 'k1');
    expect(other.status).toBe(4);
    expect(other.stderr).toMatch(/^holdfast: [^\n]*k1[^\n]*\n$/);
  });

  it('carries every option to the job', async () => {
    const id = await post(
      ...['hello', '--input', '{"who":"a"}', '--queue', 'slow', '--priority', '9'],
      ...['--delay', '1h', '--label', 'team=a', '--label', 'x=', '--max-attempts', '3'],
      ...['--queue-deadline', '2h', '--attempt-deadline', '1m', '--total-deadline', '1d'],
      ...['--retention', '1h', '--key', 'all options'],
    );
    const { stdout } = await holdfast('job', id, '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      state: 'scheduled',
      queue: 'slow',
      priority: 9,
      labels: { team: 'a', x: '' },
      maxAttempts: 3,
      deadlines: { queueMs: 7_200_000, attemptMs: 60_000, totalMs: 86_400_000 },
      retentionMs: 3_600_000,
      idempotencyKey: 'all options',
    });
    const cancelled = await holdfast('cancel', id, '--reason', 'not needed');
    expect(cancelled.stdout).toBe(`job ${id} is cancelled\n`);
  });
});

describe.concurrent('bad input', () => {
  it.each([
    [['post', 'nope'], 3, /^holdfast: .*nope.*registered.*hello/],
    [['post', 'hello', '--input', '{"who":""}'], 2, /^holdfast: .*input\.who/],
    [['post', 'hello', '--input', '{who}'], 2, /^holdfast: --input: it can't be read as JSON/],
    [
      ['post', 'hello', '--delay', '5'],
      2,
      /^holdfast: --delay: "5" is not allowed; allowed: a number with a unit/,
    ],
    [
      ['post', 'hello', '--priority', '10'],
      2,
      /^holdfast: --priority: "10" is not allowed; allowed: a whole number from 0 to 9/,
    ],
    [['post', 'hello', '--run-at', 'noon'], 2, /^holdfast: --run-at: "noon" is not allowed/],
    [
      ['post', 'hello', '--delay', '1s', '--run-at', '2027-01-01T00:00:00Z'],
      2,
      /^holdfast: .*cannot be used with/,
    ],
    [['post'], 2, /^holdfast: missing required argument 'flow'/],
    [['job', 'xyz'], 2, /^holdfast: id: "xyz" is not allowed; allowed: a job id/],
    [['job', '01k9zsvm4p8x2q7c5t3r6y1w0n'], 3, /^holdfast: .*01k9zsvm4p8x2q7c5t3r6y1w0n/],
    [['revive', '01k9zsvm4p8x2q7c5t3r6y1w0n'], 3, /^holdfast: .*01k9zsvm4p8x2q7c5t3r6y1w0n/],
    [['flows', 'nope'], 3, /^holdfast: .*nope/],
    [['drain', 'nobody'], 2, /^holdfast: .*"nobody" is not allowed; allowed: a worker id/],
    [
      ['jobs', '--state', 'done'],
      2,
      /^holdfast: --state: "done" is not allowed; allowed: scheduled, ready/,
    ],
    [
      ['jobs', '--stat', 'done'],
      2,
      /^holdfast: unknown option '--stat' \(Did you mean --state\?\)/,
    ],
    [['job'], 2, /^holdfast: missing required argument/],
    [['jbos'], 2, /^holdfast: unknown command 'jbos' \(Did you mean/],
    [['server', '--store', 'x:'], 2, /^holdfast: store URL "x:": x: is no kind of store/],
    [
      ['server', '--store', 'memory:', '--listen', '0.0.0.0:0'],
      2,
      /^holdfast: listen.host: "0.0.0.0" is not allowed/,
    ],
    [
      ['server', '--store', 'memory:', '--listen', '4600'],
      2,
      /^holdfast: --listen: "4600" is not allowed/,
    ],
    [['server', '--tls-cert', 'x'], 2, /^holdfast: --tls-key: is missing/],
    [['worker'], 2, /^holdfast: --flows: is missing/],
    [
      ['worker', '--flows', 'x.ts', '--store', 'memory:'],
      2,
      /^holdfast: --store: "memory:" is not allowed/,
    ],
    [
      ['worker', '--flows', 'x.ts', '--lease-ttl', '1ms'],
      2,
      /^holdfast: --lease-ttl: "1ms" is not allowed; .*from 1s/,
    ],
    [['doctor', '--store', 'sqlite:nowhere.db'], 3, /^holdfast: there is no board at nowhere.db/],
    [['server', '--store', 'etcd://127.0.0.1:1'], 7, /^holdfast: .*127\.0\.0\.1:1/],
  ])('%j ends with status %d and one clear line', async (args, status, line) => {
    const result = await holdfast(...args);
    expect(result).toMatchObject({ status, stdout: '' });
    expect(result.stderr).toMatch(line);
    expect(result.stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('names every field that is wrong', async () => {
    const { status, stderr } = await holdfast('post', 'hello', '--input', '{"who":5,"times":0}');
    expect(status).toBe(2);
    expect(stderr).toMatch(/^holdfast: 2 fields are wrong\n {2}.*who: .*\n {2}.*times: .*\n$/);
  });

  it('of a server that is not there: one line within seconds, saying what to do', async () => {
    const { status, stderr } = await holdfast('jobs', '--address', '127.0.0.1:1');
    expect(status).toBe(7);
    expect(stderr).toBe(
      'holdfast: no server answers at 127.0.0.1:1 (connect ECONNREFUSED); ' +
        'start one with "holdfast dev", or name another with --address\n',
    );
  });

  it('comes with a stack trace when that is asked for', async () => {
    const settings = { env: { HOLDFAST_ADDRESS: address, HOLDFAST_LOG_LEVEL: 'debug' } };
    const { stderr } = await runCommand(['job', 'xyz'], settings);
    expect(stderr).toContain('    at ');
  });

  it('in a module of flows is told with the place', async () => {
    const file = join(folder, 'broken.ts');
    const store = ['--store', `sqlite:${join(folder, 'w.db')}`];
    const run = async (content: string): Promise<CommandResult> => {
      await writeFile(file, content);
      return await runCommand(['worker', '--flows', file, ...store], {
        env: { HOLDFAST_LOG_LEVEL: 'silent' },
      });
    };
    const syntax = await run('export const x: number = ;\n');
    expect(syntax.status).toBe(2);
    expect(syntax.stderr).toMatch(/^holdfast: --flows: .*broken\.ts:1: SyntaxError/);
    const empty = await run('export const x = 1;\n');
    expect(empty.stderr).toMatch(
      /^holdfast: --flows: .*broken\.ts exports only x; export what flow/,
    );
    await rm(file);
    const missing = await runCommand(['worker', '--flows', file, ...store], {
      env: { HOLDFAST_LOG_LEVEL: 'silent' },
    });
    expect(missing.status).toBe(2);
    expect(missing.stderr).toMatch(/^holdfast: --flows: .*Cannot find module/);
  });
});

describe('looking at jobs', () => {
  it('shows one with attempts, tasks, failure and non-fatal errors', async () => {
    const failing = await post('failing');
    await eventually('the job fails', async () => (await stateOf(failing)) === 'failed');
    const { stdout } = await holdfast('job', failing);
    expectToFit(stdout);
    expect(stdout).toMatch(/^state {5}failed /m);
    expect(stdout).toMatch(/^ {6}1 {2}dev-\S+ .* failed$/m);
    expect(stdout).toMatch(/^prepare +reverted /m);
    expect(stdout).toMatch(/^break-down +reverted .*it cannot be done/m);
    expect(stdout).toContain('Failure in task break-down\n  TerminalError: it cannot be done\n');
    expect(stdout).toContain('caused by Error: nothing is left');
    expect(stdout).not.toMatch(/^ +at /m);
    const verbose = await holdfast('job', failing, '--verbose');
    expect(verbose.stdout).toMatch(/^ +at .*sample-flows\.ts/m);

    const good = await post('hello', '--input', '{"who":"a"}');
    await eventually('the job succeeds', async () => (await stateOf(good)) === 'succeeded');
    const text = (await holdfast('job', good)).stdout;
    expectToFit(text);
    expect(text).toMatch(/^greet +1 +.*Error: the weather is bad$/m);
    expect(text).toContain('{"greeting":"Hello, a!"}');
  });

  it('says why a job waits', async () => {
    const id = await post('hello', '--input', '{"who":"a"}', '--queue', 'nobody-serves');
    const { stdout } = await holdfast('job', id);
    expect(stdout).toMatch(/^waits {5}\S/m);
    expectToFit(stdout);
  });

  it('lists them, for people and for programs', async () => {
    const id = await post('hello', '--input', '{"who":"a"}', '--queue', 'listed');
    const people = await holdfast('jobs', '--queue', 'listed');
    expect(people.stdout).toMatch(
      new RegExp(`^JOB +STATE +FLOW +QUEUE.*\n${id} +ready +hello +listed `),
    );
    expectToFit((await holdfast('jobs')).stdout);
    const programs = await holdfast('jobs', '--queue', 'listed', '--json');
    expect(JSON.parse(programs.stdout)).toMatchObject({
      jobs: [{ id, state: 'ready', flow: 'hello', queue: 'listed' }],
      hasMore: false,
    });
    const one = JSON.parse((await holdfast('jobs', '--limit', '1', '--json')).stdout) as object;
    expect(one).toMatchObject({ hasMore: true, jobs: [{}] });
    const none = await holdfast('jobs', '--queue', 'empty');
    expect(none).toEqual({ status: 0, stdout: '', stderr: 'No jobs.\n' });
  });

  it('sends one that waits its signal, and shows both', async () => {
    const id = await post('approval');
    await eventually('it waits', async () => (await stateOf(id)) === 'waiting');
    const shown = (await holdfast('job', id)).stdout;
    expect(shown).toContain("task decision waits for signal 'approved'");
    expectToFit(shown);
    const noise = await holdfast('signal', id, 'other', '--data', '{"by":"ada"}', '--key', 'k');
    expect(noise.stdout).toBe(`job ${id} has received other as its signal 1\n`);
    expect(noise.stderr).toBe("Flow approval doesn't wait for other; it waits for: approved\n");
    const again = await holdfast(
      ...['signal', id, 'other', '--data', '{"by":"ada"}', '--key', 'k', '--json'],
    );
    expect(JSON.parse(again.stdout)).toMatchObject({ id, seq: 1, created: false });
    const other = await holdfast('signal', id, 'approved', '--key', 'k');
    expect(other.status).toBe(4);
    const broken = await holdfast('signal', id, 'approved', '--data', '{');
    expect(broken.stderr).toMatch(/^holdfast: --data: it can't be read as JSON/);
    expect((await holdfast('signal', id, 'not a name')).status).toBe(2);
    await holdfast('signal', id, 'approved');
    await eventually('it ends', async () => (await stateOf(id)) === 'succeeded');
    const table = (await holdfast('job', id)).stdout;
    expect(table).toMatch(/1 +other +\S.* \{"by":"ada"\}/);
    expectToFit(table);
    const { signals } = JSON.parse((await holdfast('job', id, '--json')).stdout) as {
      signals: unknown;
    };
    expect(signals).toMatchObject([
      { seq: 1, name: 'other', payload: { by: 'ada' } },
      { seq: 2, name: 'approved', payload: null },
    ]);
    expect((await holdfast('signal', id, 'late')).status).toBe(5);
  });

  it('suspends one, lets it go on, and cancels it with revert', async () => {
    const id = await post('approval');
    await eventually('it waits', async () => (await stateOf(id)) === 'waiting');
    const suspended = await holdfast('suspend', id, '--reason', 'the database is moved');
    expect(suspended.stdout).toBe(`job ${id} is suspended\n`);
    const shown = (await holdfast('job', id)).stdout;
    expect(shown).toContain('until it is resumed: the database is moved');
    const listed = await holdfast('jobs', '--state', 'suspended,waiting', '--json');
    expect(JSON.parse(listed.stdout)).toMatchObject({ jobs: [{ id, state: 'suspended' }] });
    const resumed = await holdfast('resume', id);
    expect(resumed.stdout).toBe(`job ${id} is ready\n`);
    await eventually('it waits', async () => (await stateOf(id)) === 'waiting');
    const cancelled = await holdfast('cancel', id, '--revert');
    expect(cancelled.stdout).toBe(`job ${id} is to be reverted\n`);
    await eventually('it ends', async () => (await stateOf(id)) === 'cancelled');
    const json = JSON.parse((await holdfast('job', id, '--json')).stdout) as object;
    expect(json).toMatchObject({
      cancelRequested: { revert: true },
      tasks: expect.arrayContaining([expect.objectContaining({ name: 'ask', state: 'reverted' })]),
    });
    expect((await holdfast('suspend', id)).status).toBe(5);
    expect((await holdfast('resume', id)).status).toBe(5);
  });

  it('watches one until it is cancelled, and ends with its status', async () => {
    const id = await post('endless');
    const settings = { env: { HOLDFAST_ADDRESS: address } };
    const lines = new RunningCommand(['watch', id], settings);
    const json = new RunningCommand(['watch', id, '--json'], settings);
    await eventually('it runs', () => Promise.resolve(lines.stdout.includes('wait running')));
    await eventually('it is seen', () => Promise.resolve(json.stdout.includes('"running"')));
    const cancelled = await holdfast('cancel', id, '--reason', 'enough');
    expect(cancelled.stdout).toBe(`job ${id} is told to stop\n`);
    const watched = await lines.end();
    expect(watched.status).toBe(10);
    expect(watched.stdout).toContain(`job ${id} cancelled`);
    expect(watched.stderr).toMatch(/^holdfast: job \S+ of flow endless was cancelled: enough\n$/);
    const documents = (await json.end()).stdout.trimEnd().split('\n');
    const states = documents.map((line) => (JSON.parse(line) as { state: string }).state);
    expect(states.at(-1)).toBe('cancelled');

    const revived = await holdfast('revive', id);
    expect(revived.stdout).toBe(`job ${id} is ready again\n`);
    await holdfast('cancel', id);
    await eventually('it ends', async () => (await stateOf(id)) === 'cancelled');
    const twice = await holdfast(
      'revive',
      await post('hello', '--input', '{"who":"a"}', '--delay', '1h'),
    );
    expect(twice.status).toBe(5);
  });

  it('goes on without the one who watched', async () => {
    const id = await post('endless');
    const watching = new RunningCommand(['watch', id], { env: { HOLDFAST_ADDRESS: address } });
    await eventually('it runs', () => Promise.resolve(watching.stdout.includes('running')));
    watching.child.kill('SIGINT');
    expect(await watching.end()).toMatchObject({ status: 130, stderr: 'The job goes on.\n' });
    expect(await stateOf(id)).toBe('running');
    await holdfast('cancel', id);
  });
});

describe('looking at the fleet', () => {
  it('lists flows and shows one', async () => {
    const list = await holdfast('flows');
    expectToFit(list.stdout);
    expect(list.stdout).toMatch(/^FLOW +WORKERS +TASKS +DESCRIPTION\n/);
    expect(list.stdout).toMatch(/^hello +1 +1 +Greets$/m);
    const one = await holdfast('flows', 'hello');
    expect(one.stdout).toContain('"who"');
    const json = JSON.parse((await holdfast('flows', 'failing', '--json')).stdout) as object;
    expect(json).toMatchObject({ name: 'failing', tasks: [{ name: 'prepare' }, {}] });
  });

  it('lists workers', async () => {
    const { stdout } = await holdfast('workers');
    expectToFit(stdout);
    expect(stdout).toMatch(/^dev-\S+ +live +\d+\/8 +default /m);
    const json = JSON.parse((await holdfast('workers', '--json')).stdout) as object;
    expect(json).toMatchObject({ workers: [{ isLive: true, concurrency: 8 }] });
  });
});
