// Documents are held to the code: snippets compile, links lead somewhere, dependencies have a reason.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DIAGRAMS_DOCUMENT, withDiagrams } from '../../.ci/state-diagrams.ts';
import {
  FILES,
  type Manifest,
  PACKAGES,
  ROOT,
  ROOT_MANIFEST,
  read,
  sectionOf,
} from './repository.ts';

const DOCUMENTS: readonly string[] = FILES.filter((file) => file.endsWith('.md'));

/** Below `build`, which is not committed, and below the repository, so that imports are found. */
const SNIPPETS: string = join(ROOT, 'build/snippets');

describe('documents', () => {
  it('every document has one title, in its first line', () => {
    for (const file of DOCUMENTS) {
      const titles = withoutFences(read(file)).match(/^# .+$/gm);
      expect(titles, file).toEqual([read(file).split('\n')[0]]);
    }
  });

  it('the drawn state machines are those of the code', () => {
    const text = read(DIAGRAMS_DOCUMENT);
    expect(text).toMatch(/<!-- states: /);
    expect(withDiagrams(text)).toBe(text);
  });

  it('links lead to files that exist', () => {
    const broken = DOCUMENTS.flatMap((document) =>
      linkedFiles(document)
        .filter((link) => !FILES.some((file) => file === link || file.startsWith(`${link}/`)))
        .map((link) => `${document} links to ${link}`),
    );
    expect(broken).toEqual([]);
  });

  /**
   * Every fence marked `ts` is a whole module. When its first line is a comment with a file name,
   * as in `// my-flows.ts`, the other snippets of the same document can import it by that name.
   */
  it('every ts snippet type-checks, and so do the flows of deploy', () => {
    rmSync(SNIPPETS, { recursive: true, force: true });
    for (const document of DOCUMENTS) writeSnippets(document);
    writeFileSync(
      join(SNIPPETS, 'tsconfig.json'),
      JSON.stringify({
        extends: '../../tsconfig.json',
        compilerOptions: {
          // A reader copies the snippet; what it leaves unused is part of what it shows.
          noUnusedLocals: false,
          noUnusedParameters: false,
          isolatedDeclarations: false,
          declaration: false,
        },
        include: ['**/*.ts', '../../deploy/**/*.ts'],
        exclude: [],
      }),
    );
    expect(typeErrors()).toBe('');
  });

  it('ARCHITECTURE.md, section Dependencies, has a line saying why for every dependency', () => {
    // The line is a list item or a table row that has the package's name in backticks:
    // "- `commander`: …" or "| `commander` | … |".
    const lines = dependencyLines();
    const missing = externalDependencies().filter(
      (name) => !lines.some((line) => line.includes(`\`${name}\``)),
    );
    expect(missing, 'dependencies without a line').toEqual([]);
  });

  it('ARCHITECTURE.md, section Dependencies, explains nothing that is not a dependency', () => {
    const explained = dependencyLines().map(
      (line) => /`(?<name>[^`]+)`/.exec(line)?.groups?.['name'],
    );
    const names = externalDependencies();
    expect(explained.filter((name) => name === undefined || !names.includes(name))).toEqual([]);
  });
});

function withoutFences(text: string): string {
  return text.replaceAll(/^(?<fence>```+)[\s\S]*?^\k<fence>\s*$/gm, '');
}

/** The files of the repository that a document links to. */
function linkedFiles(document: string): readonly string[] {
  const links = withoutFences(read(document)).matchAll(/\]\((?<target>[^)#\s]+)(?:#[^)]*)?\)/g);
  return [...links]
    .map((match) => match.groups?.['target'] ?? '')
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => join(dirname(document), target).replace(/\/$/, ''));
}

function dependencyLines(): readonly string[] {
  const lines = sectionOf('ARCHITECTURE.md', 'Dependencies').split('\n');
  return lines.filter((line) => /^(?:[-*] |\| `)/.test(line));
}

function externalDependencies(): readonly string[] {
  const manifests: readonly Manifest[] = [ROOT_MANIFEST, ...PACKAGES.map((p) => p.manifest)];
  const names = manifests.flatMap((manifest) =>
    Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }),
  );
  return [...new Set(names)].filter((name) => !name.startsWith('@holdfast/')).toSorted();
}

function writeSnippets(document: string): void {
  const folder = join(SNIPPETS, document.replaceAll(/[^\w-]+/g, '-'));
  mkdirSync(folder, { recursive: true });
  const fences = read(document).matchAll(/^```ts\s*\n(?<code>[\s\S]*?)^```\s*$/gm);
  for (const [index, match] of [...fences].entries()) {
    const code = match.groups?.['code'] ?? '';
    const name = /^\/\/ (?<name>[\w-]+\.ts)\n/.exec(code)?.groups?.['name'];
    // The empty export makes a module of a snippet that imports nothing.
    writeFileSync(join(folder, name ?? `snippet-${index + 1}.ts`), `${code}\nexport {};\n`);
  }
}

/** What tsc says, empty when it finds nothing. */
function typeErrors(): string {
  try {
    execFileSync(process.execPath, [join(ROOT, 'node_modules/.bin/tsc'), '-p', SNIPPETS], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    return '';
  } catch (error) {
    // execFileSync throws an error that carries the output when the exit status isn't 0.
    return String((error as { stdout?: string }).stdout ?? error);
  }
}
