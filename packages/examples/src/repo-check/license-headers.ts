import { type ScanOptions, type ScanSummary, scanFiles } from './file-scan.ts';
import { CHECK_LIMITS, shorten } from './limits.ts';

export interface LicenseHeaders {
  readonly sourceFiles: number;
  /** Files with an SPDX licence identifier in their first lines. */
  readonly withSpdx: number;
  /** Files without one that name a licence or a copyright holder there. */
  readonly withOtherHeader: number;
  /** Share of source files with either, 0 to 1; 1 when there are no source files. */
  readonly share: number;
  /** The first files without, in order of paths. */
  readonly listed: readonly string[];
  /** Files without that are not listed. */
  readonly notListed: number;
  readonly scan: ScanSummary;
}

// Words that only stand in the first lines of a file when they are about its licence.
const SPDX = /SPDX-License-Identifier:\s*\S/;
const OTHER_HEADER = /\bcopyright\b|\(c\)\s*\d{4}|\blicen[cs]ed?\b/i;
// Header lines are short; of a file that is one long line no more than this is looked at.
const HEADER_BYTES = 8192;

/** Tells which source files of a commit carry a licence header. */
export async function findLicenseHeaders(
  options: Omit<ScanOptions, 'onlySource' | 'visit'>,
): Promise<LicenseHeaders> {
  let withSpdx = 0;
  let withOtherHeader = 0;
  let without = 0;
  const listed: string[] = [];
  const scan = await scanFiles({
    ...options,
    onlySource: true,
    visit: ({ file, content }) => {
      const head = firstLines(content);
      if (SPDX.test(head)) withSpdx += 1;
      else if (OTHER_HEADER.test(head)) withOtherHeader += 1;
      else {
        without += 1;
        if (listed.length < CHECK_LIMITS.listed) listed.push(shorten(file.path));
      }
    },
  });
  const sourceFiles = scan.filesScanned;
  const share = sourceFiles === 0 ? 1 : (withSpdx + withOtherHeader) / sourceFiles;
  const notListed = without - listed.length;
  return { sourceFiles, withSpdx, withOtherHeader, share, listed, notListed, scan };
}

function firstLines(content: Buffer): string {
  const lines = content.toString('utf8', 0, HEADER_BYTES).split('\n', CHECK_LIMITS.headerLines);
  return lines.join('\n');
}
