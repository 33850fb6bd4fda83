import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Flow, flow, linear, map, reduce, task } from '@holdfast/flow';
import { z } from 'zod';

/** Which documents to read. */
export interface ReadingTimeInput {
  /** Path of the folder that they are in, as the worker sees it. */
  readonly folder: string;
}

/** How long it takes to read them. */
export interface ReadingTimeOutput {
  /** A line for each document, in the order of their names. */
  readonly summaries: readonly string[];
  readonly totalWords: number;
}

const WORDS_PER_MINUTE = 200;

const folder = z.string().min(1);
const document = z.string();
const words = z.int();

const listDocuments = task({
  name: 'list-documents',
  requires: { folder },
  provides: { documents: z.array(document) },
  execute: async (values) => ({
    documents: (await readdir(values.folder)).filter((file) => file.endsWith('.md')).sort(),
  }),
});

const countWords = task({
  name: 'count-words',
  requires: { folder, document },
  provides: { words },
  execute: async (values, { signal }) => {
    const text = await readFile(join(values.folder, values.document), { encoding: 'utf8', signal });
    return { words: text.match(/\S+/g)?.length ?? 0 };
  },
});

const summarize = task({
  name: 'summarize',
  requires: { document, words },
  provides: { summary: z.string() },
  execute: (values) => ({
    summary: `${values.document}: ${Math.ceil(values.words / WORDS_PER_MINUTE)} min`,
  }),
});

const readAll = map('read-all', {
  over: 'documents',
  as: 'document',
  concurrency: 4,
  body: linear('read', countWords, summarize),
  collect: { words: 'wordCounts', summary: 'summaries' },
});

const addUp = reduce('add-up', {
  over: 'wordCounts',
  item: words,
  initial: 0,
  provides: 'totalWords',
  execute: (total, count) => total + count,
});

/**
 * The same steps for each item of a list that is known only when the flow runs, four items at a time,
 * then one value of them all. Each step of each item is checkpointed: a crash costs what was in flight.
 */
export const readingTime: Flow<ReadingTimeInput, ReadingTimeOutput> = flow({
  name: 'reading-time',
  description: 'Says how long it takes to read the Markdown documents of a folder',
  input: z.object({ folder }),
  body: linear('reading-time', listDocuments, readAll, addUp),
  output: ['summaries', 'totalWords'],
});
