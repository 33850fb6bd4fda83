import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AtomRecord,
  decodeJson,
  encodeJson,
  LIMITS,
  silentLogger,
  systemClock,
  systemRandom,
} from '@holdfast/core';
import { type RunResult, runFlow } from '@holdfast/flow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repoCheck } from './repo-check.ts';

let path: string;

beforeAll(() => {
  path = mkdtempSync(join(tmpdir(), 'holdfast-repo-check-'));
  const git = (...args: readonly string[]): unknown =>
    execFileSync('git', [
      '-C',
      path,
      '-c',
      'user.name=A',
      '-c',
      'user.email=a@example.com',
      ...args,
    ]);
  git('init', '--quiet', '.');
  writeFileSync(join(path, 'a.ts'), '// Copyright 2026 A\nexport const a = 1;\n');
  writeFileSync(join(path, 'binary.ts'), Buffer.from([0, 1]));
  git('add', '--all');
  git('commit', '--quiet', '-m', 'one');
});

afterAll(() => rmSync(path, { recursive: true, force: true }));

/** Runs the flow; `atoms` collects the checkpoints, and what is in it is resumed from. */
async function run(input: unknown, atoms: Map<string, AtomRecord> = new Map()): Promise<RunResult> {
  const result = await runFlow({
    flow: repoCheck,
    input: encodeJson(input),
    identity: { jobId: 'j', attempt: 1, worker: 'w', fence: 1n },
    atoms: [...atoms.values()],
    checkpoint: (records) => {
      for (const record of records) atoms.set(record.name, record);
      return Promise.resolve();
    },
    signal: new AbortController().signal,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  for (const record of result.uncommitted) atoms.set(record.name, record);
  return result;
}

function outputOf(result: RunResult): unknown {
  return result.kind === 'succeeded' ? decodeJson(result.output) : result;
}

describe('repo-check', () => {
  it('reports on a commit, far below the limit of a result, and keeps what it skipped', async () => {
    const atoms = new Map<string, AtomRecord>();
    const result = await run({ repository: path, revision: 'HEAD' }, atoms);
    expect(outputOf(result)).toMatchObject({
      reportJson: {
        repository: path,
        revision: 'HEAD',
        lineCount: { lines: 2, scan: { filesSkipped: { binary: 1 } } },
        largeFiles: { files: 2 },
        licenseHeaders: { share: 1 },
        todoAge: { lines: 0 },
      },
      reportMarkdown: expect.stringContaining('# Repository check'),
    });
    expect(atoms.get('count-lines')?.errors).toMatchObject([
      { failure: { message: 'binary.ts was skipped: binary (2 bytes)' } },
    ]);
    for (const { result: stored } of atoms.values()) {
      expect(stored?.data.length).toBeLessThan(LIMITS.payloadBytes / 20);
    }
  });

  it('gives the same output when another worker goes on in the middle', async () => {
    const atoms = new Map<string, AtomRecord>();
    const whole = outputOf(await run({ repository: path, revision: 'HEAD' }, atoms));
    for (const lost of ['report', 'todo-age', 'count-lines']) atoms.delete(lost);
    expect(outputOf(await run({ repository: path, revision: 'HEAD' }, atoms))).toEqual(whole);
  });

  it('fails for good, without a retry, on a revision that is not there', async () => {
    const atoms = new Map<string, AtomRecord>();
    const result = await run({ repository: path, revision: 'nope' }, atoms);
    expect(result).toMatchObject({
      kind: 'failed',
      failure: { type: 'TerminalError', task: 'resolve', message: expect.stringContaining('nope') },
    });
    expect(atoms.get('resolve')?.executions).toBe(1);
  });

  it.each([
    { repository: 'relative/path', revision: 'HEAD' },
    { repository: '/x', revision: '' },
    {},
  ])('refuses the input %j', async (input) => {
    expect((await run(input)).kind).toBe('failed');
  });
});
