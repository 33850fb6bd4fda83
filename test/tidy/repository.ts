// The repository as the tidy tests read it: its files, its packages and what they import.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';

/** The top of the repository. */
export const ROOT: string = new URL('../..', import.meta.url).pathname;

/** The fields of a package.json that rules are about. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly license?: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** One package of the workspace. */
export interface Package {
  /** The folder under packages/, which is also its name without the scope. */
  readonly folder: string;
  readonly manifest: Manifest;
  /** Its TypeScript and JavaScript files, relative to the top of the repository. */
  readonly sources: readonly string[];
}

/** One import, export-from, dynamic import or resolve of a file. */
export interface Import {
  readonly file: string;
  readonly specifier: string;
  readonly isTypeOnly: boolean;
}

/** Every file that is or may be committed, relative to the top of the repository. */
export const FILES: readonly string[] = execFileSync(
  'git',
  ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
  { cwd: ROOT, encoding: 'utf8' },
)
  .split('\0')
  .filter((file) => file !== '' && existsSync(join(ROOT, file)))
  .toSorted();

/** Files that people write: neither generated nor binary nor the lock file. */
export const WRITTEN_FILES: readonly string[] = FILES.filter(
  (file) =>
    !file.includes('/src/gen/') &&
    file !== 'package-lock.json' &&
    !/\.(?:png|jpe?g|gif|ico|woff2?|db|bin)$/.test(file),
);

/** The manifest at the top of the repository. */
export const ROOT_MANIFEST: Manifest = readManifest('package.json');

/** All packages, by folder name. */
export const PACKAGES: readonly Package[] = FILES.filter((file) =>
  /^packages\/[^/]+\/package\.json$/.test(file),
).map((file) => {
  const folder = dirname(file);
  const sources = WRITTEN_FILES.filter(
    (source) => source.startsWith(`${folder}/`) && isCode(source),
  );
  return { folder: folder.slice('packages/'.length), manifest: readManifest(file), sources };
});

/** True for TypeScript and JavaScript. */
export function isCode(file: string): boolean {
  return /\.[cm]?[jt]s$/.test(file);
}

/** True for files that only tests load. */
export function isTestFile(file: string): boolean {
  return (
    /\.(?:test|test-d|fixture)\.ts$/.test(file) ||
    file.startsWith('test/') ||
    file.startsWith('bench/')
  );
}

/** The text of a file, given relative to the top of the repository. */
export function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** The text of a document between one heading of the second level and the next. */
export function sectionOf(document: string, heading: string): string {
  const sections = read(document).split(/^## /m);
  const section = sections.find((text) => text.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`${document} has no section "${heading}"`);
  return section;
}

/** The package an import names: `@scope/name` or `name`; undefined for files and for Node's own modules. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || isBuiltin(specifier)) return undefined;
  return /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0];
}

const STATIC_IMPORT =
  /^(?:import|export)\s+(?<type>type\s+)?(?:[\w*{][^'"`;]*?\sfrom\s+)?['"](?<specifier>[^'"]+)['"]/gm;
const DYNAMIC_IMPORT =
  /(?<resolve>import\.meta\.resolve|\brequire(?:\.resolve)?|\bimport)\(\s*['"](?<specifier>[^'"]+)['"]/g;

/** What a file imports. Reads text, not syntax: the formatter keeps import statements at the start of a line. */
export function importsOf(file: string): readonly Import[] {
  const text = withoutCommentLines(read(file));
  const found = [...text.matchAll(STATIC_IMPORT), ...text.matchAll(DYNAMIC_IMPORT)];
  return found.map((match) => ({
    file,
    specifier: match.groups?.['specifier'] ?? '',
    isTypeOnly: match.groups?.['type'] !== undefined,
  }));
}

/** The same lines, those of comments emptied. */
function withoutCommentLines(text: string): string {
  return text.replaceAll(/^\s*(?:\/\/|\/\*|\*).*$/gm, '');
}

function readManifest(file: string): Manifest {
  // Our own files; tsc can't know their shape, and a wrong one makes the tests fail.
  return JSON.parse(read(file)) as Manifest;
}
