import { type ScanOptions, type ScanSummary, scanFiles } from './file-scan.ts';
import { type GitRepository, readGit } from './git.ts';
import { CHECK_LIMITS, shorten } from './limits.ts';
import type { TreeFile } from './tree-file.ts';

/** One marked line. */
export interface AgedLine {
  readonly path: string;
  readonly line: number;
  readonly text: string;
  /** Whole days from the line's authoring to the commit that is checked; never below 0. */
  readonly ageDays: number;
  /** True when history ends there (a shallow clone): the line is at least that old. */
  readonly isAtLeast: boolean;
}

export interface TodoAge {
  /** Marked lines in all source files, whether dated or not. */
  readonly lines: number;
  readonly files: number;
  readonly datedLines: number;
  readonly medianAgeDays: number;
  /** The oldest ones, oldest first. */
  readonly listed: readonly AgedLine[];
  /** Dated lines that are not listed. */
  readonly notListed: number;
  /** Lines that were not dated, because there are more of them than a limit allows. */
  readonly notDated: number;
  readonly scan: ScanSummary;
}

interface MarkedLine {
  readonly line: number;
  readonly text: string;
}

interface MarkedFile {
  readonly file: TreeFile;
  readonly lines: readonly MarkedLine[];
}

// The words that mark unfinished work. They are put together from pieces because the project's own
// source must not contain them.
const MARKS = [['TO', 'DO'].join(''), ['FIX', 'ME'].join('')];
const MARK = new RegExp(`\\b(?:${MARKS.join('|')})\\b`);
const DAY_SECONDS = 86_400;
// The scan is quick beside the blames that follow it.
const SCAN_SHARE = 0.3;

/**
 * Finds the marked lines of a commit and dates them by `git blame`. `commitUnixSeconds` is the
 * commit's own time: ages are counted to it, so that they don't depend on when the check runs.
 */
export async function findTodoAge(
  options: Omit<ScanOptions, 'onlySource' | 'visit'> & { readonly commitUnixSeconds: number },
): Promise<TodoAge> {
  const marked: MarkedFile[] = [];
  let lines = 0;
  let files = 0;
  const scan = await scanFiles({
    ...options,
    onlySource: true,
    onProgress: (done) => options.onProgress(done * SCAN_SHARE),
    visit: ({ file, content }) => {
      const found = findMarks(content);
      if (found.length === 0) return;
      lines += found.length;
      files += 1;
      if (marked.length < CHECK_LIMITS.blamedFiles && file.isPathExact) {
        marked.push({ file, lines: found.slice(0, CHECK_LIMITS.blamedLinesPerFile) });
      }
    },
  });

  const isShallow = await isShallowRepository(options.repository);
  const aged: AgedLine[] = [];
  for (const [index, file] of marked.entries()) {
    aged.push(...(await dateLines({ ...options, file, isShallow })));
    options.onProgress(SCAN_SHARE + ((1 - SCAN_SHARE) * (index + 1)) / marked.length);
  }
  aged.sort((a, b) => b.ageDays - a.ageDays || comparePlaces(a, b));
  const listed = aged.slice(0, CHECK_LIMITS.listed);
  return {
    lines,
    files,
    datedLines: aged.length,
    medianAgeDays: aged[Math.floor(aged.length / 2)]?.ageDays ?? 0,
    listed,
    notListed: aged.length - listed.length,
    notDated: lines - aged.length,
    scan,
  };
}

function findMarks(content: Buffer): MarkedLine[] {
  // Most files have no mark, and looking for bytes is far cheaper than decoding and splitting.
  if (!MARKS.some((mark) => content.includes(mark))) return [];
  return content
    .toString('utf8')
    .split('\n')
    .flatMap((text, index) => (MARK.test(text) ? [{ line: index + 1, text: text.trim() }] : []));
}

async function isShallowRepository(repository: GitRepository): Promise<boolean> {
  const answer = await readGit(repository, ['rev-parse', '--is-shallow-repository']);
  return answer.trim() === 'true';
}

interface DateOptions {
  readonly repository: GitRepository;
  readonly commit: string;
  readonly commitUnixSeconds: number;
  readonly file: MarkedFile;
  readonly isShallow: boolean;
}

async function dateLines(options: DateOptions): Promise<AgedLine[]> {
  const { file, lines } = options.file;
  // No text conversion: a repository's settings could run any program by it.
  const args = ['blame', '--porcelain', '--no-textconv'];
  for (const { line } of lines) args.push('-L', `${line},${line}`);
  args.push(options.commit, '--', file.path);
  const origins = parsePorcelain(await readGit(options.repository, args));
  return lines.flatMap(({ line, text }) => {
    const origin = origins.get(line);
    if (!origin) return [];
    const ageSeconds = Math.max(0, options.commitUnixSeconds - origin.authorUnixSeconds);
    return [
      {
        path: shorten(file.path),
        line,
        text: shorten(text),
        ageDays: Math.floor(ageSeconds / DAY_SECONDS),
        // Without a cut history, git's boundary is the first commit, and the age is exact.
        isAtLeast: options.isShallow && origin.isBoundary,
      },
    ];
  });
}

interface LineOrigin {
  authorUnixSeconds: number;
  isBoundary: boolean;
}

/**
 * Where each line came from, by its number. In git's porcelain format a line begins with
 * `<commit> <line there> <line here> …`; what describes the commit follows the first time only.
 */
function parsePorcelain(output: string): ReadonlyMap<number, LineOrigin> {
  const commits = new Map<string, LineOrigin>();
  const lines = new Map<number, LineOrigin>();
  let current: LineOrigin = { authorUnixSeconds: 0, isBoundary: false };
  for (const text of output.split('\n')) {
    const header = /^([0-9a-f]{40,64}) \d+ (\d+)/.exec(text);
    if (header) {
      const [, commit = '', line] = header;
      current = commits.get(commit) ?? { authorUnixSeconds: 0, isBoundary: false };
      commits.set(commit, current);
      lines.set(Number(line), current);
    } else if (text.startsWith('author-time ')) {
      current.authorUnixSeconds = Number(text.slice('author-time '.length));
    } else if (text === 'boundary') {
      current.isBoundary = true;
    }
  }
  return lines;
}

function comparePlaces(a: AgedLine, b: AgedLine): number {
  return a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1;
}
