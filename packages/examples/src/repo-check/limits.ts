/**
 * What `repo-check` looks at and lists at most, so that a repository of any size costs bounded
 * memory and gives a report far below the 512 KiB that a task's result may have. Whatever a limit
 * leaves out is counted in the report.
 */
export const CHECK_LIMITS = {
  /** Files of one commit that are looked at; the first ones in git's order of paths. */
  files: 100_000,
  /** Bytes of a file whose content is read; larger ones are only known by their size. */
  fileBytes: 1_048_576,
  /** Bytes at the start of a file in which a NUL byte marks it as binary. */
  binaryProbeBytes: 8000,
  /** A file of more bytes than this counts as large. */
  largeFileBytes: 131_072,
  /** Lines at the start of a source file in which a licence header may stand. */
  headerLines: 20,
  /** Entries of each list in the report. */
  listed: 20,
  /** Characters kept of a path or a line of text in the report. */
  textLength: 160,
  /** Files that `git blame` runs on, and the marked lines it dates in each of them. */
  blamedFiles: 40,
  blamedLinesPerFile: 50,
  /** Bytes kept of what git writes to its standard error. */
  gitErrorBytes: 4096,
  /** Bytes of the output of one small git command. */
  gitOutputBytes: 4_194_304,
} as const;

/** `text` as a report shows it: control characters made visible, and cut, visibly, when too long. */
export function shorten(text: string): string {
  const printable = text.replaceAll(/\p{Cc}/gu, '·');
  if (printable.length <= CHECK_LIMITS.textLength) return printable;
  const half = Math.floor((CHECK_LIMITS.textLength - 1) / 2);
  return `${printable.slice(0, half)}…${printable.slice(-half)}`;
}
