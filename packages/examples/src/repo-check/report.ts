import type { Commit } from './commit.ts';
import type { LargeFiles } from './large-files.ts';
import type { LicenseHeaders } from './license-headers.ts';
import type { LineCount } from './line-count.ts';
import type { TodoAge } from './todo-age.ts';

/** The whole report: plain JSON, the same for the same commit wherever and whenever it is made. */
export interface RepoReport {
  readonly repository: string;
  readonly revision: string;
  readonly commit: Commit;
  readonly lineCount: LineCount;
  readonly largeFiles: LargeFiles;
  readonly licenseHeaders: LicenseHeaders;
  readonly todoAge: TodoAge;
}

/** The report as a Markdown document. */
export function formatReport(report: RepoReport): string {
  const when = new Date(report.commit.unixSeconds * 1000).toISOString();
  return [
    `# Repository check`,
    `${code(report.repository)} at ${code(report.revision)}: commit ${code(report.commit.id)} of ${when}`,
    formatLines(report.lineCount),
    formatLargeFiles(report.largeFiles),
    formatLicenseHeaders(report.licenseHeaders),
    formatTodoAge(report.todoAge),
    '',
  ].join('\n\n');
}

function formatLines({ lines, languages, scan }: LineCount): string {
  const rows = languages.map(
    (each) => `| ${each.language} | ${each.files} | ${each.lines} | ${each.blankLines} |`,
  );
  const notCounted = [
    leftOut(scan.filesOfOtherKinds, 'in no known language'),
    ...Object.entries(scan.filesSkipped).map(([reason, count]) => leftOut(count, reason)),
    leftOut(scan.filesLeftOut, 'beyond the limit of files'),
  ];
  return section(`Lines: ${lines}`, [
    ['| language | files | lines | blank |', '|---|--:|--:|--:|', ...rows].join('\n'),
    sentence('Files not counted', notCounted),
  ]);
}

function formatLargeFiles(large: LargeFiles): string {
  return section(`Large files: ${large.largeFiles} of ${large.files}`, [
    `More than ${large.thresholdBytes} bytes each; all files together have ${large.totalBytes}.`,
    list(
      large.listed.map((file) => `${code(file.path)} ${file.sizeBytes} bytes`),
      large.notListed,
    ),
    sentence('Files not looked at', [
      leftOut(large.filesLeftOut, 'beyond the limit of files'),
      leftOut(large.linksAndSubmodules, 'symbolic links and submodules'),
    ]),
  ]);
}

function formatLicenseHeaders(headers: LicenseHeaders): string {
  return section(`Licence headers: ${(headers.share * 100).toFixed(1)} %`, [
    `Of ${headers.sourceFiles} source files ${headers.withSpdx} have an SPDX identifier and ` +
      `${headers.withOtherHeader} another licence header. Without:`,
    list(headers.listed.map(code), headers.notListed),
  ]);
}

function formatTodoAge(todo: TodoAge): string {
  const lines = todo.listed.map(
    (each) =>
      `${each.isAtLeast ? 'at least ' : ''}${each.ageDays} days: ` +
      `${code(`${each.path}:${each.line}`)} ${code(each.text)}`,
  );
  return section(`Unfinished marks: ${todo.lines} in ${todo.files} files`, [
    todo.datedLines === 0 ? '' : `Median age ${todo.medianAgeDays} days. Oldest first:`,
    list(lines, todo.notListed),
    sentence('Lines not dated', [leftOut(todo.notDated, 'beyond the limits of git blame')]),
  ]);
}

function section(title: string, parts: readonly string[]): string {
  return [`## ${title}`, ...parts.filter((part) => part !== '')].join('\n\n');
}

function list(entries: readonly string[], notListed: number): string {
  const lines = entries.map((entry) => `- ${entry}`);
  if (notListed > 0) lines.push(`- and ${notListed} more`);
  return lines.join('\n');
}

function sentence(subject: string, parts: readonly string[]): string {
  const told = parts.filter((part) => part !== '');
  return told.length === 0 ? '' : `${subject}: ${told.join(', ')}.`;
}

function leftOut(count: number, reason: string): string {
  return count === 0 ? '' : `${count} ${reason}`;
}

/** As Markdown code that no character of `text` can end. */
function code(text: string): string {
  const longestRun = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longestRun + 1);
  const padding = longestRun > 0 ? ' ' : '';
  return `${fence}${padding}${text}${padding}${fence}`;
}
