import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { TerminalError } from '@holdfast/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveCommit } from './commit.ts';
import { GitError, type GitRepository, readGit, streamGit } from './git.ts';
import { findLargeFiles } from './large-files.ts';
import { findLicenseHeaders } from './license-headers.ts';
import { CHECK_LIMITS } from './limits.ts';
import { countLines } from './line-count.ts';
import { formatReport } from './report.ts';
import { findTodoAge } from './todo-age.ts';
import { readTree } from './tree-file.ts';

// Put together from pieces, as in the code: the words must not stand in our own source.
const TO_DO = ['TO', 'DO'].join('');
const FIX_ME = ['FIX', 'ME'].join('');
const DAY_SECONDS = 86_400;
const FIRST_COMMIT = 1_700_000_000;

let path: string;
const commits: string[] = [];

beforeAll(() => {
  path = mkdtempSync(join(tmpdir(), 'holdfast-repo-check-'));
  git('init', '--quiet', '--initial-branch=main', '.');
  write(
    'src/a.ts',
    `// SPDX-License-Identifier: Apache-2.0\nexport const a = 1;\n// ${TO_DO}: x\n`,
  );
  write('src/b.ts', '/* Copyright 2020 Someone */\n\nexport const b = 2;');
  write('README.md', '# Title\n\nText.\n');
  commit(FIRST_COMMIT);
  write('src/c.py', `print("no header")\n# ${FIX_ME}: y\nx = "${TO_DO}NE is no mark"\n`);
  write('src/spaced name-\u00fc.ts', `const c = 1; // ${TO_DO} z\n`);
  write('src/binary.ts', Buffer.from([1, 0, 2]));
  write('src/huge.ts', Buffer.alloc(CHECK_LIMITS.fileBytes + 1, 'a\n'));
  write('data.bin', Buffer.alloc(CHECK_LIMITS.largeFileBytes + 1));
  write('-leading-dash.js', 'let d;\n');
  symlinkSync('README.md', join(path, 'link'));
  commit(FIRST_COMMIT + 10 * DAY_SECONDS);
});

afterAll(() => rmSync(path, { recursive: true, force: true }));

function git(...args: readonly string[]): string {
  return execFileSync('git', ['-C', path, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim();
}

function write(name: string, content: string | Buffer): void {
  mkdirSync(dirname(join(path, name)), { recursive: true });
  writeFileSync(join(path, name), content);
}

function commit(unixSeconds: number): void {
  const date = `${unixSeconds} +0000`;
  const identity = ['-c', 'user.name=A', '-c', 'user.email=a@example.com'];
  git('add', '--all');
  execFileSync('git', ['-C', path, ...identity, 'commit', '--quiet', '-m', 'change'], {
    env: { ...process.env, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date },
  });
  commits.push(git('rev-parse', 'HEAD'));
}

function repository(at: string = path): GitRepository {
  return { path: at, signal: new AbortController().signal };
}

const ignore = (): void => undefined;

describe('resolving a revision', () => {
  it('gives the commit and its time, by whatever name', async () => {
    const expected = { id: commits[1], unixSeconds: FIRST_COMMIT + 10 * DAY_SECONDS };
    for (const revision of ['HEAD', 'main', commits[1]?.slice(0, 10) ?? '']) {
      expect(await resolveCommit(repository(), revision)).toEqual(expected);
    }
    expect((await resolveCommit(repository(), 'HEAD~1')).id).toBe(commits[0]);
  });

  it.each([
    'nope',
    '--all',
    '-h',
    '--since=yesterday',
    'HEAD~99',
    'HEAD:README.md',
    '0'.repeat(40),
  ])('refuses %s for good', async (revision) => {
    await expect(resolveCommit(repository(), revision)).rejects.toThrow(TerminalError);
  });

  it('refuses for good what is not the top of a repository', async () => {
    for (const wrong of [
      tmpdir(),
      join(path, 'src'),
      join(path, 'missing'),
      join(path, 'README.md'),
    ]) {
      await expect(resolveCommit(repository(wrong), 'HEAD')).rejects.toThrow(TerminalError);
    }
  });

  it('takes a bare repository', async () => {
    const bare = `${path}-bare`;
    execFileSync('git', ['clone', '--quiet', '--bare', path, bare], { stdio: 'pipe' });
    try {
      expect((await resolveCommit(repository(bare), 'main')).id).toBe(commits[1]);
      const todo = await findTodoAge({ ...scan(commits[1]), repository: repository(bare) });
      expect(todo.datedLines).toBe(3);
    } finally {
      rmSync(bare, { recursive: true });
    }
  });
});

describe('git', () => {
  it('stops when the signal aborts, and leaves no process behind', async () => {
    const controller = new AbortController();
    const endless = streamGit(
      { path, signal: controller.signal },
      ['cat-file', '--batch'],
      forever(),
    );
    await expect(
      (async () => {
        for await (const _ of endless) controller.abort(new Error('enough'));
      })(),
    ).rejects.toThrow('enough');
  });

  it('does not even start once the signal has aborted', async () => {
    const signal = AbortSignal.abort(new Error('too late'));
    await expect(readGit({ path, signal }, ['version'])).rejects.toThrow('too late');
  });

  it('passes on what git complains of', async () => {
    const refused = readGit(repository(), ['cat-file', 'commit', 'nope']);
    await expect(refused).rejects.toThrow(GitError);
    await expect(refused).rejects.toMatchObject({ kind: 'refused', complaint: /nope/ });
  });

  it('ends when the reader leaves early', async () => {
    let pieces = 0;
    for await (const _ of streamGit(repository(), ['cat-file', '--batch'], forever())) {
      pieces += 1;
      break;
    }
    expect(pieces).toBe(1);
  });
});

function* forever(): Generator<string> {
  for (;;) yield `${commits[0]}\n`;
}

function scan(commitId: string | undefined): Parameters<typeof findTodoAge>[0] {
  return {
    repository: repository(),
    commit: commitId ?? '',
    commitUnixSeconds: FIRST_COMMIT + 10 * DAY_SECONDS,
    onProgress: ignore,
  };
}

describe('the checks', () => {
  it('see the files of their commit, whatever is checked out', async () => {
    const first = await readTree(repository(), commits[0] ?? '');
    expect(first.files.map((file) => file.path)).toEqual(['README.md', 'src/a.ts', 'src/b.ts']);
    const second = await readTree(repository(), commits[1] ?? '');
    expect(second.files).toHaveLength(9);
    expect(second.linksAndSubmodules).toBe(1);
  });

  it('count lines by language, and tell what they skipped', async () => {
    const skipped: string[] = [];
    const count = await countLines({
      ...scan(commits[1]),
      onSkip: (file, reason) => skipped.push(`${file.path}: ${reason}`),
    });
    expect(count.languages).toEqual([
      { language: 'TypeScript', files: 3, lines: 7, blankLines: 1 },
      { language: 'Markdown', files: 1, lines: 3, blankLines: 1 },
      { language: 'Python', files: 1, lines: 3, blankLines: 0 },
      { language: 'JavaScript', files: 1, lines: 1, blankLines: 0 },
    ]);
    expect(count.lines).toBe(14);
    expect(skipped).toEqual(['src/huge.ts: too large', 'src/binary.ts: binary']);
    expect(count.scan).toEqual({
      filesScanned: 6,
      filesOfOtherKinds: 1,
      filesSkipped: { 'too large': 1, binary: 1, 'not in this copy': 0 },
      filesLeftOut: 0,
    });
  });

  it('find large files, largest first', async () => {
    const large = await findLargeFiles(repository(), commits[1] ?? '');
    expect(large.listed.map((file) => file.path)).toEqual(['src/huge.ts', 'data.bin']);
    expect(large).toMatchObject({ files: 9, largeFiles: 2, notListed: 0 });
  });

  it('find licence headers', async () => {
    const headers = await findLicenseHeaders(scan(commits[1]));
    expect(headers).toMatchObject({ sourceFiles: 5, withSpdx: 1, withOtherHeader: 1, share: 0.4 });
    expect(headers.listed).toEqual(['-leading-dash.js', 'src/c.py', 'src/spaced name-\u00fc.ts']);
  });

  it('date marks of unfinished work, to the time of the commit', async () => {
    const todo = await findTodoAge(scan(commits[1]));
    expect(todo.listed).toEqual([
      { path: 'src/a.ts', line: 3, text: `// ${TO_DO}: x`, ageDays: 10, isAtLeast: false },
      { path: 'src/c.py', line: 2, text: `# ${FIX_ME}: y`, ageDays: 0, isAtLeast: false },
      {
        path: 'src/spaced name-\u00fc.ts',
        line: 1,
        text: `const c = 1; // ${TO_DO} z`,
        ageDays: 0,
        isAtLeast: false,
      },
    ]);
    expect(todo).toMatchObject({
      lines: 3,
      files: 3,
      datedLines: 3,
      notDated: 0,
      medianAgeDays: 0,
    });
  });

  it('say "at least" where a shallow history ends', async () => {
    const shallow = `${path}-shallow`;
    const from = `file://${path}`;
    execFileSync('git', ['clone', '--quiet', '--depth=1', from, shallow], { stdio: 'pipe' });
    try {
      const todo = await findTodoAge({ ...scan(commits[1]), repository: repository(shallow) });
      expect(todo.listed.map((line) => line.isAtLeast)).toEqual([true, true, true]);
    } finally {
      rmSync(shallow, { recursive: true });
    }
  });

  it('make the same report each time, and one that Markdown can hold', async () => {
    const make = async (): Promise<string> =>
      formatReport({
        repository: path,
        revision: 'with ` tick',
        commit: await resolveCommit(repository(), 'HEAD'),
        lineCount: await countLines(scan(commits[1])),
        largeFiles: await findLargeFiles(repository(), commits[1] ?? ''),
        licenseHeaders: await findLicenseHeaders(scan(commits[1])),
        todoAge: await findTodoAge(scan(commits[1])),
      });
    const report = await make();
    expect(await make()).toBe(report);
    expect(report).toContain('`` with ` tick ``');
    expect(report).toContain('| TypeScript | 3 | 7 | 1 |');
    expect(report).toContain('Files not counted: 1 in no known language, 1 too large, 1 binary.');
  });
});
