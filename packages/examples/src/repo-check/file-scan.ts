import { readContents } from './blob-content.ts';
import type { GitRepository } from './git.ts';
import { type Language, languageOf } from './language.ts';
import { CHECK_LIMITS } from './limits.ts';
import { readTree, type TreeFile } from './tree-file.ts';

/** A text file in a known language. */
export interface ScannedFile {
  readonly file: TreeFile;
  readonly language: Language;
  readonly content: Buffer;
}

/** Why the content of a file in a known language was not looked at. */
export type SkipReason = 'too large' | 'binary' | 'not in this copy';

/** What a scan saw besides the files it handed out. */
export interface ScanSummary {
  readonly filesScanned: number;
  /** Files in no known language. */
  readonly filesOfOtherKinds: number;
  readonly filesSkipped: Readonly<Record<SkipReason, number>>;
  /** Files beyond `CHECK_LIMITS.files`. */
  readonly filesLeftOut: number;
}

export interface ScanOptions {
  readonly repository: GitRepository;
  readonly commit: string;
  /** Looks at source code only, not at prose and data. */
  readonly onlySource: boolean;
  /** Called for each file, in order of paths. */
  readonly visit: (file: ScannedFile) => void;
  readonly onSkip?: ((file: TreeFile, reason: SkipReason) => void) | undefined;
  /** Called now and then with the share of files that are done, 0 to 1. */
  readonly onProgress: (done: number) => void;
}

// Progress is told in so many steps.
const PROGRESS_STEPS = 10;

/** Reads every file of a commit whose language is known, one at a time. */
export async function scanFiles(options: ScanOptions): Promise<ScanSummary> {
  const tree = await readTree(options.repository, options.commit);
  const filesSkipped: Record<SkipReason, number> = {
    'too large': 0,
    binary: 0,
    'not in this copy': 0,
  };
  const skip = (file: TreeFile, reason: SkipReason): void => {
    filesSkipped[reason] += 1;
    options.onSkip?.(file, reason);
  };
  const known = tree.files.filter((file) => isWanted(file, options.onlySource));
  const readable = known.filter((file) => file.sizeBytes <= CHECK_LIMITS.fileBytes);
  for (const file of known) if (file.sizeBytes > CHECK_LIMITS.fileBytes) skip(file, 'too large');

  let filesScanned = 0;
  let filesDone = 0;
  const step = Math.max(1, Math.ceil(readable.length / PROGRESS_STEPS));
  for await (const { file, content } of readContents(options.repository, readable)) {
    const language = languageOf(file.path);
    if (!content) skip(file, 'not in this copy');
    else if (isBinary(content)) skip(file, 'binary');
    else if (language) {
      options.visit({ file, language, content });
      filesScanned += 1;
    }
    filesDone += 1;
    if (filesDone % step === 0) options.onProgress(filesDone / readable.length);
  }
  const filesOfOtherKinds = tree.files.length - known.length;
  return { filesScanned, filesOfOtherKinds, filesSkipped, filesLeftOut: tree.filesLeftOut };
}

function isWanted(file: TreeFile, onlySource: boolean): boolean {
  const language = languageOf(file.path);
  return language !== undefined && (language.isSource || !onlySource);
}

function isBinary(content: Buffer): boolean {
  return content.subarray(0, CHECK_LIMITS.binaryProbeBytes).includes(0);
}
