// `holdfast run` beside a real server: what it prints, and that it is what a worker's job is.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/cluster.ts';
import {
  COMMAND,
  type CommandResult,
  RunningCommand,
  runCommand,
  SAMPLE_FLOWS,
} from './command.ts';

const FLOWS = fileURLToPath(new URL('./build-flows.ts', import.meta.url));
const REVISION = ['--input', '{"revision":"main"}'];

let dev: RunningCommand;
let address: string;

beforeAll(async () => {
  dev = new RunningCommand([
    ...['dev', '--flows', FLOWS, '--flows', SAMPLE_FLOWS],
    ...['--store', 'memory:', '--listen', '127.0.0.1:0'],
  ]);
  await eventually('dev has started', () => Promise.resolve(dev.stdout.includes('Ctrl-C')));
  address = /server {2}(\S+)/.exec(dev.stdout)?.[1] ?? '';
});

afterAll(async () => {
  const { status } = await dev.stop();
  expect(status, 'dev stops in order').toBe(0);
});

/** Runs a command that may talk to the server of this test. */
function holdfast(...args: readonly string[]): Promise<CommandResult> {
  return runCommand(args, { env: { HOLDFAST_ADDRESS: address } });
}

/** Runs a command without any server. */
function offline(...args: readonly string[]): Promise<CommandResult> {
  return runCommand(args, { env: { HOLDFAST_ADDRESS: '127.0.0.1:1' } });
}

/** Posts a job, waits until it has ended, and returns its id. */
async function runRemotely(flow: string): Promise<string> {
  const id = (await holdfast('post', flow, ...REVISION)).stdout.trim();
  await holdfast('watch', id);
  return id;
}

const IDS = ['id', 'worker', 'idempotencyKey'];

/**
 * A job's document without what differs from one run to the next: ids, times, host; and of a stack what
 * lies outside of the task: dev loads modules under a name of its own, and a worker has other frames.
 */
function comparable(text: string): unknown {
  return JSON.parse(text, (key, value: unknown) => {
    if (IDS.includes(key)) return typeof value;
    if (key === 'at' || key.endsWith('At')) return typeof value;
    if (key === 'stack') {
      const [thrown, frame = ''] = String(value).split('\n');
      return [thrown, frame.replace(/\?holdfast-reload=\d+/, '')];
    }
    return value;
  });
}

describe('run', () => {
  it.each([
    ['build', 'succeeded', 0],
    ['release', 'failed', 1],
  ])(
    'of %s gives the document that a worker gives, but for ids, times and host',
    async (flow, state, status) => {
      const remote = await holdfast('job', await runRemotely(flow), '--json');
      const local = await offline('run', FLOWS, '--flow', flow, ...REVISION, '--json');
      expect(local.status).toBe(status);
      expect(JSON.parse(local.stdout)).toMatchObject({ flow, state });
      expect(comparable(local.stdout)).toEqual(comparable(remote.stdout));
    },
  );

  it('prints what job prints, in 80 columns', async () => {
    const { status, stdout, stderr } = await offline('run', FLOWS, '--flow', 'build', ...REVISION);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(stdout).toMatch(/^state {5}succeeded /m);
    expect(stdout).toMatch(/^├─ lint +success .* 1 non-fatal error$/m);
    expect(stdout).toMatch(/^└─ test +success +\S+ +2/m);
    expect(stdout).toContain('"summary":"');
  });

  it('ends with status 1 and the failure when the flow fails', async () => {
    const { status, stdout, stderr } = await offline(
      'run',
      FLOWS,
      '--flow',
      'release',
      ...REVISION,
    );
    expect(status).toBe(1);
    expect(stdout).toContain('caused by RangeError: 9 of 9 places');
    expect(stderr).toMatch(
      /^holdfast: job \S+ of flow release failed in task publish: Error: the shelf is full\n$/,
    );
  });

  it('takes its input from standard input, and refuses a bad one as a server does', async () => {
    const piped = await runCommand(['run', FLOWS, '--flow', 'build', '--input', '-', '--json'], {
      stdin: '{"revision":"piped"}',
    });
    expect(JSON.parse(piped.stdout)).toMatchObject({ input: { revision: 'piped' } });
    const bad = await offline('run', FLOWS, '--flow', 'build', '--input', '{"revision":""}');
    expect(bad).toMatchObject({ status: 2, stdout: '' });
    expect(bad.stderr).toMatch(/^holdfast: input\.revision: .*fewer than 1 characters, got ""\n$/);
  });

  it('with --until runs what the task needs, and nothing else', async () => {
    const { status, stdout } = await offline(
      ...['run', FLOWS, '--flow', 'build', ...REVISION, '--until', 'lint', '--json'],
    );
    expect(status).toBe(0);
    const { tasks, output } = JSON.parse(stdout) as {
      readonly tasks: readonly { readonly name: string; readonly state: string }[];
      readonly output: object;
    };
    expect(Object.fromEntries(tasks.map(({ name, state }) => [name, state]))).toEqual({
      checkout: 'success',
      lint: 'success',
      test: 'ignore',
      report: 'ignore',
    });
    expect(output).toEqual({ commit: expect.any(String), warnings: 1 });
  });

  it('with --from starts from the results and the input of another job', async () => {
    const id = await runRemotely('build');
    const { status, stdout, stderr } = await holdfast(
      ...['run', FLOWS, '--flow', 'build', '--from', id, '--json'],
    );
    expect(status).toBe(0);
    expect(stderr).toBe(`Starts with the results of 4 of the 4 tasks that job ${id} has begun.\n`);
    const remote = JSON.parse((await holdfast('job', id, '--json')).stdout) as object;
    expect(JSON.parse(stdout)).toMatchObject({
      input: { revision: 'main' },
      output: 'output' in remote ? remote.output : undefined,
      tasks: 'tasks' in remote ? remote.tasks : undefined,
    });
  });

  it('of a flow that waits for a signal says that none can arrive', async () => {
    const { status, stdout, stderr } = await offline('run', FLOWS, '--flow', 'approved');
    expect(status).toBe(5);
    expect(stdout).toMatch(/^state {5}waiting/m);
    expect(stderr).toMatch(/^holdfast: flow approved waits for a signal, which a local run can't/);
  });

  it('is stopped in order by Ctrl-C', async () => {
    const running = new RunningCommand(
      ['run', SAMPLE_FLOWS, '--flow', 'endless', '--json'],
      // Its logs tell when the task runs.
      { env: { HOLDFAST_LOG_LEVEL: 'info' } },
    );
    await eventually('the task runs', () => Promise.resolve(running.stderr.includes('it waits')));
    running.child.kill('SIGINT');
    const { status, stdout, stderr } = await running.end();
    expect(status).toBe(130);
    expect(stderr).toContain('The run was interrupted with 0 of 1 tasks done; nothing of it is');
    expect(JSON.parse(stdout)).toMatchObject({
      state: 'ready',
      attempts: [{ end: 'released', reason: 'it was interrupted' }],
    });
  });
});

describe('run, interrupted before its flow began', () => {
  it('says so, and that nothing has run, while a module is being loaded', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-run-'));
    const file = join(folder, 'slow.ts');
    // It is never through, and a timer keeps it from being given up.
    await writeFile(
      file,
      "console.error('it loads'); setInterval(() => undefined, 1000); await new Promise(() => undefined);",
    );
    const running = new RunningCommand(['run', file]);
    await eventually('it loads', () => Promise.resolve(running.stderr.includes('it loads')));
    running.child.kill('SIGINT');
    const { status, stdout, stderr } = await running.end();
    await rm(folder, { recursive: true });
    expect({ status, stdout }).toEqual({ status: 130, stdout: '' });
    expect(stderr).toContain('The run was interrupted before its flow began; no task has run.');
  });

  it('says so, while the command itself is being loaded', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-run-'));
    const file = join(folder, 'command.mjs');
    await writeFile(file, `import ${JSON.stringify(COMMAND)}; console.error('it loads');`);
    const running = new RunningCommand(['run', SAMPLE_FLOWS, '--flow', 'endless'], { file });
    await eventually('it loads', () => Promise.resolve(running.stderr.includes('it loads')));
    running.child.kill('SIGINT');
    const { status, stderr } = await running.end();
    await rm(folder, { recursive: true });
    expect(status).toBe(130);
    expect(stderr).toContain('interrupted');
  });
});

describe('run, asked for what is not there', () => {
  it.each([
    [
      ['run', FLOWS],
      2,
      /^holdfast: --flow: is missing, and \S+ has 3 flows: approved, build, release\n$/,
    ],
    [
      ['run', FLOWS, '--flow', 'x'],
      3,
      /^holdfast: \S+ has no flow x; it has approved, build, release\n$/,
    ],
    [['run', 'no.ts'], 2, /^holdfast: file: no\.ts can't be loaded: .*Cannot find module/],
    [['run', FLOWS, '--flow', 'build', '--until', 'x'], 3, /no task x; it has checkout, lint/],
    [['run', FLOWS, '--flow', 'build', '--input', '{'], 2, /^holdfast: --input: it can't be read/],
    [
      ['run', FLOWS, '--flow', 'build', '--concurrency', '0'],
      2,
      /^holdfast: --concurrency: "0" is not allowed; allowed: a whole number from 1 to 1000\n$/,
    ],
    [['run', FLOWS, '--flow', 'build', '--from', 'x'], 2, /^holdfast: id: "x" is not allowed/],
  ])('%j ends with status %d and one line', async (args, status, line) => {
    const result = await offline(...args);
    expect(result).toMatchObject({ status, stdout: '' });
    expect(result.stderr).toMatch(line);
    expect(result.stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('a job of another flow has no results for this one', async () => {
    const id = await runRemotely('build');
    const { status, stderr } = await holdfast('run', FLOWS, '--flow', 'release', '--from', id);
    expect(status).toBe(5);
    expect(stderr).toMatch(/is of flow build, so its results are of no use to flow release/);
  });
});

describe('flow graph', () => {
  it('draws a flow of a file without a server', async () => {
    const { status, stdout, stderr } = await offline('flow', 'graph', FLOWS, '--flow', 'build');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^flow build\n\n +\+-+\+\n +\| checkout \|\n/);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it.each([
    ['mermaid', /^---\ntitle: "flow build"\n---\nflowchart TD\n/],
    ['dot', /^digraph "build" \{\n/],
    ['svg', /^<\?xml[\s\S]*<\/svg>\n$/],
  ])('draws it as %s too', async (format, pattern) => {
    const { stdout } = await offline('flow', 'graph', FLOWS, '--flow', 'build', '--format', format);
    expect(stdout).toMatch(pattern);
  });

  it('draws the flow of a job with the states of its tasks', async () => {
    const id = await runRemotely('release');
    const { status, stdout } = await holdfast('flow', 'graph', '--job', id);
    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`^job ${id} failed: flow release\n`));
    expect(stdout).toMatch(/\| lint +reverted \|/);
    expect(stdout).toMatch(/\| publish +reverted \|/);
  });

  it.each([
    [['flow', 'graph'], 2, /^holdfast: file: is missing; name a module with flows, or a job/],
    [['flow', 'graph', FLOWS], 2, /^holdfast: --flow: is missing, and \S+ has 3 flows/],
    [
      ['flow', 'graph', FLOWS, '--flow', 'x'],
      3,
      /has no flow x; it has approved, build, release\n$/,
    ],
    [['flow', 'graph', FLOWS, '--job', 'x'], 2, /^holdfast: --job: is given, and a file too/],
    [['flow', 'graph', '--job', 'x'], 2, /^holdfast: id: "x" is not allowed; allowed: a job id/],
    [
      ['flow', 'graph', FLOWS, '--format', 'png'],
      2,
      /^holdfast: --format: "png" is not allowed; allowed: ascii, mermaid, dot, svg\n$/,
    ],
    [['flow', 'grap'], 2, /^holdfast: unknown command 'grap' \(Did you mean graph\?\)\n$/],
  ])('%j ends with status %d and one line', async (args, status, line) => {
    const result = await offline(...args);
    expect(result).toMatchObject({ status, stdout: '' });
    expect(result.stderr).toMatch(line);
    expect(result.stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});
