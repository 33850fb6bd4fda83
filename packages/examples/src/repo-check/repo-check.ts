// The `repo-check` flow: what a git repository was like at one commit. Every task reads git's
// objects, which never change and need no checkout, so any worker that sees the repository can take
// over at any task and gets the same result.
import { type Flow, flow, linear, type TaskContext, task, unordered } from '@holdfast/flow';
import { z } from 'zod';
import { resolveCommit } from './commit.ts';
import type { SkipReason } from './file-scan.ts';
import type { GitRepository } from './git.ts';
import { findLargeFiles } from './large-files.ts';
import { findLicenseHeaders } from './license-headers.ts';
import { CHECK_LIMITS, shorten } from './limits.ts';
import { countLines } from './line-count.ts';
import { formatReport, type RepoReport } from './report.ts';
import {
  commitSchema,
  largeFilesSchema,
  licenseHeadersSchema,
  lineCountSchema,
  todoAgeSchema,
} from './schemas.ts';
import { findTodoAge } from './todo-age.ts';
import type { TreeFile } from './tree-file.ts';

/** What to check. */
export interface RepoCheckInput {
  /** Absolute path of a repository's top folder, or of a bare repository. */
  readonly repository: string;
  /** A branch, a tag, a commit id, or anything else that git resolves to a commit. */
  readonly revision: string;
}

/** What comes of it. */
export interface RepoCheckOutput {
  readonly reportJson: RepoReport;
  readonly reportMarkdown: string;
}

const repository = z
  .string()
  .max(4096)
  // A worker's current folder is nothing that a producer knows. No NUL: git's arguments end there.
  .regex(/^(?:\/|[A-Za-z]:[\\/])[^\0]*$/, 'has to be an absolute path')
  .describe('Absolute path of a git repository');
const revision = z
  .string()
  .max(256)
  .regex(/^[^\0\r\n]+$/, 'has to be one line, and not empty')
  .describe('A branch, tag or commit id');

/** What the tasks at one commit require. */
const atCommit = { repository, commit: commitSchema };

const resolve = task({
  name: 'resolve',
  description: 'Resolves the revision to a commit',
  requires: { repository, revision },
  provides: { commit: commitSchema },
  execute: async (input, ctx) => ({
    commit: await resolveCommit(open(input.repository, ctx), input.revision),
  }),
});

const countLinesTask = task({
  name: 'count-lines',
  description: 'Counts lines by language',
  requires: atCommit,
  provides: { lineCount: lineCountSchema },
  execute: async (input, ctx) => ({
    lineCount: await countLines({
      repository: open(input.repository, ctx),
      commit: input.commit.id,
      onProgress: (done) => ctx.progress(done, 'counting lines'),
      onSkip: (file, reason) => ctx.recordError(new Error(describeSkip(file, reason))),
    }),
  }),
});

const largeFilesTask = task({
  name: 'large-files',
  description: 'Finds large files',
  requires: atCommit,
  provides: { largeFiles: largeFilesSchema },
  execute: async (input, ctx) => ({
    largeFiles: await findLargeFiles(open(input.repository, ctx), input.commit.id),
  }),
});

const licenseHeadersTask = task({
  name: 'license-headers',
  description: 'Finds source files without a licence header',
  requires: atCommit,
  provides: { licenseHeaders: licenseHeadersSchema },
  execute: async (input, ctx) => ({
    licenseHeaders: await findLicenseHeaders({
      repository: open(input.repository, ctx),
      commit: input.commit.id,
      onProgress: (done) => ctx.progress(done, 'reading headers'),
    }),
  }),
});

const todoAgeTask = task({
  name: 'todo-age',
  description: 'Dates the marks of unfinished work by git blame',
  requires: atCommit,
  provides: { todoAge: todoAgeSchema },
  execute: async (input, ctx) => ({
    todoAge: await findTodoAge({
      repository: open(input.repository, ctx),
      commit: input.commit.id,
      commitUnixSeconds: input.commit.unixSeconds,
      onProgress: (done) => ctx.progress(done, 'dating marks'),
    }),
  }),
});

const report = task({
  name: 'report',
  description: 'Puts the report together',
  requires: {
    ...atCommit,
    revision,
    lineCount: lineCountSchema,
    largeFiles: largeFilesSchema,
    licenseHeaders: licenseHeadersSchema,
    todoAge: todoAgeSchema,
  },
  provides: { reportJson: z.custom<RepoReport>(), reportMarkdown: z.string() },
  execute: (parts) => ({ reportJson: parts, reportMarkdown: formatReport(parts) }),
});

/**
 * Checks a git repository at one commit: lines by language, large files, licence headers, and the
 * age of the marks of unfinished work. The output is the same for the same commit, whoever makes it.
 */
export const repoCheck: Flow<RepoCheckInput, RepoCheckOutput> = flow({
  name: 'repo-check',
  description: 'Checks a git repository at one commit',
  input: z.object({ repository, revision }),
  body: linear(
    'repo-check',
    resolve,
    unordered('checks', countLinesTask, largeFilesTask, licenseHeadersTask, todoAgeTask),
    report,
  ),
  output: ['reportJson', 'reportMarkdown'],
});

function open(path: string, ctx: TaskContext): GitRepository {
  return { path, signal: ctx.signal };
}

function describeSkip(file: TreeFile, reason: SkipReason): string {
  const limit = reason === 'too large' ? `, more than ${CHECK_LIMITS.fileBytes}` : '';
  return `${shorten(file.path)} was skipped: ${reason} (${file.sizeBytes} bytes${limit})`;
}
