import { type ScanOptions, type ScanSummary, scanFiles } from './file-scan.ts';

/** Lines of one language. */
export interface LanguageLines {
  readonly language: string;
  readonly files: number;
  readonly lines: number;
  /** Lines with nothing but white space. */
  readonly blankLines: number;
}

export interface LineCount {
  readonly lines: number;
  /** Most lines first. */
  readonly languages: readonly LanguageLines[];
  readonly scan: ScanSummary;
}

/** Counts the lines of every text file whose language is known. */
export async function countLines(
  options: Omit<ScanOptions, 'onlySource' | 'visit'>,
): Promise<LineCount> {
  const byLanguage = new Map<string, LanguageLines>();
  const scan = await scanFiles({
    ...options,
    onlySource: false,
    visit: ({ language, content }) => {
      const before = byLanguage.get(language.name);
      const counted = countIn(content);
      byLanguage.set(language.name, {
        language: language.name,
        files: (before?.files ?? 0) + 1,
        lines: (before?.lines ?? 0) + counted.lines,
        blankLines: (before?.blankLines ?? 0) + counted.blankLines,
      });
    },
  });
  const languages = [...byLanguage.values()].sort(
    (a, b) => b.lines - a.lines || (a.language < b.language ? -1 : 1),
  );
  return { lines: languages.reduce((sum, each) => sum + each.lines, 0), languages, scan };
}

const LINE_FEED = 0x0a;

/** A last line without a line feed counts too; no content is no line. */
function countIn(content: Buffer): { lines: number; blankLines: number } {
  let lines = 0;
  let blankLines = 0;
  let isBlank = true;
  let isOpen = false;
  for (const byte of content) {
    isOpen = byte !== LINE_FEED;
    if (isOpen) {
      // Space, tab and carriage return.
      if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) isBlank = false;
      continue;
    }
    lines += 1;
    if (isBlank) blankLines += 1;
    isBlank = true;
  }
  if (!isOpen) return { lines, blankLines };
  return { lines: lines + 1, blankLines: blankLines + (isBlank ? 1 : 0) };
}
