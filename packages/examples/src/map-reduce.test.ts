import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testEveryCrash, testFlow } from '@holdfast/flow/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readingTime } from './map-reduce.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-reading-time-'));
  await writeFile(join(folder, 'guide.md'), 'word '.repeat(450));
  await writeFile(join(folder, 'changes.md'), 'word '.repeat(30));
  await writeFile(join(folder, 'empty.md'), '');
  await writeFile(join(folder, 'picture.svg'), '<svg/>');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the reading time', () => {
  it('is told for each document in order, and for all of them', async () => {
    const trial = await testFlow(readingTime, { input: { folder } });
    expect(trial.output).toEqual({
      summaries: ['changes.md: 1 min', 'empty.md: 0 min', 'guide.md: 3 min'],
      totalWords: 480,
    });
    expect(trial.task('count-words[2]').result).toEqual({ words: 450 });
  });

  it('of no documents is none', async () => {
    const stub = { 'list-documents': { execute: { documents: [] } } };
    const trial = await testFlow(readingTime, { input: { folder }, stub });
    expect(trial.output).toEqual({ summaries: [], totalWords: 0 });
  });

  it('is the same after a crash at any commit, and no document is counted again', async () => {
    const { uninterrupted, interrupted } = await testEveryCrash(readingTime, {
      input: { folder },
      concurrency: 1,
    });
    for (const { crashed, trial } of interrupted) {
      expect(trial.output).toEqual(uninterrupted.output);
      for (const [name, { state, record }] of Object.entries(crashed.tasks)) {
        if (state !== 'success') continue;
        expect(trial.task(name).record.executions, name).toBe(record.executions);
      }
    }
  });
});
