// The direction of imports. The table says it all; a package that isn't in it fails.
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type Import,
  importsOf,
  isCode,
  isTestFile,
  PACKAGES,
  packageOf,
  ROOT_MANIFEST,
  read,
  WRITTEN_FILES,
} from './repository.ts';

/** What a package may import of the others; `type:` marks what it may only import types of. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  coord: ['core'],
  'coord-sqlite': ['core', 'coord'],
  'coord-etcd': ['core', 'coord'],
  'coord-zookeeper': ['core', 'coord'],
  wire: ['core'],
  board: ['core', 'coord', 'wire'],
  flow: ['core'],
  telemetry: ['core'],
  worker: ['core', 'coord', 'board', 'flow', 'telemetry', 'wire'],
  server: ['core', 'type:coord', 'board', 'flow', 'wire', 'telemetry'],
  client: ['core', 'wire'],
  cli: [
    ...['core', 'coord', 'coord-sqlite', 'coord-etcd', 'coord-zookeeper'],
    ...['wire', 'board', 'flow', 'telemetry'],
    ...['worker', 'server', 'client'],
  ],
  examples: [
    ...['core', 'coord', 'coord-sqlite', 'coord-etcd', 'coord-zookeeper'],
    ...['wire', 'board', 'flow', 'telemetry'],
    ...['worker', 'server', 'client', 'cli'],
  ],
};

/** A driver is chosen once, by the file that reads the store URL. */
const DRIVERS = ['coord-sqlite', 'coord-etcd', 'coord-zookeeper'];

/** Packages that compute and wait but do no I/O, and the Node modules that do none either. */
const PURE_PACKAGES = ['core', 'coord', 'board', 'flow', 'wire'];
const PURE_NODE_MODULES = ['node:crypto', 'node:util', 'node:async_hooks'];

const SCOPE = '@holdfast/';
const DEVELOPMENT = Object.keys(ROOT_MANIFEST.devDependencies ?? {});
const CODE: readonly string[] = WRITTEN_FILES.filter(isCode);

const IMPORTS: readonly Import[] = CODE.flatMap(importsOf);

describe('imports', () => {
  it('every package has a row in the table of directions, and no row is left over', () => {
    expect(Object.keys(MAY_IMPORT).toSorted()).toEqual(PACKAGES.map((p) => p.folder).toSorted());
  });

  it('packages import only packages below them', () => {
    const wrong = IMPORTS.filter((found) => isFromPackage(found) && !isTestFile(found.file));
    expect(describeAll(wrong.filter((found) => !isAllowed(found)))).toEqual([]);
  });

  it('the tests inside a package import only packages below it, and drivers', () => {
    const wrong = IMPORTS.filter((found) => isFromPackage(found) && isTestFile(found.file))
      .filter((found) => !isAllowed(found))
      .filter((found) => !DRIVERS.includes(targetOf(found)));
    expect(describeAll(wrong)).toEqual([]);
  });

  it('one file of the command line chooses a driver, and nothing else in packages imports one', () => {
    const choosing = IMPORTS.filter((found) => isFromPackage(found) && !isTestFile(found.file))
      .filter((found) => DRIVERS.includes(targetOf(found)))
      .filter((found) => targetOf(found) !== folderOf(found.file))
      .map((found) => found.file);
    expect(choosing.filter((file) => !file.startsWith('packages/cli/'))).toEqual([]);
    expect([...new Set(choosing)].slice(1), 'more than one file').toEqual([]);
  });

  it('a relative import neither leaves a package nor enters one', () => {
    const wrong = IMPORTS.filter((found) => found.specifier.startsWith('.')).filter(
      ({ file, specifier }) => folderOf(join(dirname(file), specifier)) !== folderOf(file),
    );
    expect(describeAll(wrong)).toEqual([]);
  });

  it('an import of another package uses a path that the package exports', () => {
    const exported = new Set(
      PACKAGES.flatMap(({ manifest }) =>
        Object.keys(manifest.exports ?? {}).map((path) => join(manifest.name, path)),
      ),
    );
    const wrong = IMPORTS.filter(({ specifier }) => specifier.startsWith(SCOPE));
    expect(describeAll(wrong.filter(({ specifier }) => !exported.has(specifier)))).toEqual([]);
  });

  it('a package declares what it imports', () => {
    const wrong = PACKAGES.flatMap(({ manifest, sources }) => {
      const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
      const forTests = [...declared, ...DEVELOPMENT, ...DRIVERS.map((driver) => SCOPE + driver)];
      return sources.flatMap(importsOf).filter((found) => {
        const name = packageOf(found.specifier);
        if (name === undefined || name === manifest.name) return false;
        return !(isTestFile(found.file) ? forTests : declared).includes(name);
      });
    });
    expect(describeAll(wrong)).toEqual([]);
  });

  it('a package uses what it declares', () => {
    const unused = PACKAGES.flatMap(({ manifest, sources }) => {
      const used = sources.filter((file) => !isTestFile(file)).flatMap(quotedNames);
      return Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })
        .filter((name) => !used.includes(name))
        .map((name) => `${manifest.name} does not use ${name}`);
    });
    expect(unused).toEqual([]);
  });

  it('what test, bench and .ci import from npm is declared at the top', () => {
    const wrong = IMPORTS.filter((found) => !isFromPackage(found)).filter(({ specifier }) => {
      const name = packageOf(specifier);
      return name !== undefined && !name.startsWith(SCOPE) && !DEVELOPMENT.includes(name);
    });
    expect(describeAll(wrong)).toEqual([]);
  });

  it('packages that do no I/O import no Node module that does', () => {
    const wrong = IMPORTS.filter((found) => PURE_PACKAGES.includes(folderOf(found.file)))
      .filter((found) => !isTestFile(found.file) && found.specifier.startsWith('node:'))
      .filter(({ specifier }) => !PURE_NODE_MODULES.includes(specifier));
    expect(describeAll(wrong)).toEqual([]);
  });

  it('Node modules are imported with their prefix, but by what an old Node has to read', () => {
    const wrong = IMPORTS.filter(({ file }) => file.endsWith('.ts')).filter(
      ({ specifier }) => isBuiltin(specifier) && !specifier.startsWith('node:'),
    );
    expect(describeAll(wrong)).toEqual([]);
  });

  it('the reading of imports finds what it should', () => {
    const own = importsOf('test/tidy/imports.test.ts').map(({ specifier }) => specifier);
    expect(own).toEqual(['node:module', 'node:path', 'vitest', './repository.ts']);
    expect(IMPORTS.length).toBeGreaterThan(100);
  });
});

function describeAll(imports: readonly Import[]): readonly string[] {
  return imports.map(({ file, specifier, isTypeOnly }) => {
    return `${file} imports ${isTypeOnly ? 'types of ' : ''}${specifier}`;
  });
}

/** The folder under packages/ that a file is in, empty for others. */
function folderOf(file: string): string {
  return /^packages\/(?<folder>[^/]+)\//.exec(file)?.groups?.['folder'] ?? '';
}

function isFromPackage(found: Import): boolean {
  return folderOf(found.file) !== '';
}

/** The package folder an import names, empty for anything that isn't ours. */
function targetOf({ specifier }: Import): string {
  return specifier.startsWith(SCOPE) ? (specifier.slice(SCOPE.length).split('/')[0] ?? '') : '';
}

/** True for everything that isn't ours, for the own package, and for what the table allows. */
function isAllowed(found: Import): boolean {
  const folder = folderOf(found.file);
  const target = targetOf(found);
  const allowed = ['', folder, ...(MAY_IMPORT[folder] ?? [])];
  return allowed.includes(target) || (found.isTypeOnly && allowed.includes(`type:${target}`));
}

/** Packages that a file imports or names in quotes, as pino is told the name of a transport. */
function quotedNames(file: string): readonly string[] {
  const quoted = read(file).matchAll(/['"](?<name>(?:@[\w.-]+\/)?[\w.-]+)(?:\/[^'"\s]*)?['"]/g);
  return [...quoted].map((match) => match.groups?.['name'] ?? '');
}
