import { z } from 'zod';
import type { Commit } from './commit.ts';
import type { ScanSummary } from './file-scan.ts';
import type { LargeFiles } from './large-files.ts';
import type { LicenseHeaders } from './license-headers.ts';
import type { LineCount } from './line-count.ts';
import type { TodoAge } from './todo-age.ts';

// What one task hands to another is stored in between, so it has a schema: a value that was written by
// an older version of the flow is refused rather than misread.

const count = z.int().nonnegative();

const scanSummary: z.ZodType<ScanSummary, ScanSummary> = z.object({
  filesScanned: count,
  filesOfOtherKinds: count,
  filesSkipped: z.object({ 'too large': count, binary: count, 'not in this copy': count }),
  filesLeftOut: count,
});

export const commitSchema: z.ZodType<Commit, Commit> = z.object({
  id: z.string(),
  unixSeconds: z.int(),
});

export const lineCountSchema: z.ZodType<LineCount, LineCount> = z.object({
  lines: count,
  languages: z.array(
    z.object({ language: z.string(), files: count, lines: count, blankLines: count }),
  ),
  scan: scanSummary,
});

export const largeFilesSchema: z.ZodType<LargeFiles, LargeFiles> = z.object({
  thresholdBytes: count,
  files: count,
  totalBytes: count,
  largeFiles: count,
  listed: z.array(z.object({ path: z.string(), sizeBytes: count })),
  notListed: count,
  filesLeftOut: count,
  linksAndSubmodules: count,
});

export const licenseHeadersSchema: z.ZodType<LicenseHeaders, LicenseHeaders> = z.object({
  sourceFiles: count,
  withSpdx: count,
  withOtherHeader: count,
  share: z.number().min(0).max(1),
  listed: z.array(z.string()),
  notListed: count,
  scan: scanSummary,
});

export const todoAgeSchema: z.ZodType<TodoAge, TodoAge> = z.object({
  lines: count,
  files: count,
  datedLines: count,
  medianAgeDays: count,
  listed: z.array(
    z.object({
      path: z.string(),
      line: count,
      text: z.string(),
      ageDays: count,
      isAtLeast: z.boolean(),
    }),
  ),
  notListed: count,
  notDated: count,
  scan: scanSummary,
});
