// What every package of the workspace looks like, and the top of the repository.
import { describe, expect, it } from 'vitest';
import { FILES, type Manifest, PACKAGES, ROOT_MANIFEST, read } from './repository.ts';

const TOP_LEVEL = [
  ...['package.json', 'package-lock.json', 'tsconfig.json', 'README.md', 'ARCHITECTURE.md'],
  ...['LICENSE', 'proto', 'packages', 'deploy', 'bench', 'test'],
];

const MANIFESTS: readonly Manifest[] = [ROOT_MANIFEST, ...PACKAGES.map((each) => each.manifest)];

// The shape that npm documents for lock files of version 3.
const LOCK = JSON.parse(read('package-lock.json')) as {
  readonly packages: Readonly<Record<string, Manifest>>;
};

describe('packages', () => {
  it('the top level holds only what the map of the house names, and dotfiles', () => {
    const names = new Set(FILES.map((file) => file.split('/')[0] ?? ''));
    const strange = [...names].filter((name) => !name.startsWith('.') && !TOP_LEVEL.includes(name));
    expect(strange).toEqual([]);
  });

  it('every package has a README and an index', () => {
    const wanted = PACKAGES.flatMap(({ folder }) => [
      `packages/${folder}/README.md`,
      `packages/${folder}/src/index.ts`,
    ]);
    expect(missing(wanted)).toEqual([]);
  });

  it('every package is named after its folder and says what it is', () => {
    for (const { folder, manifest } of PACKAGES) {
      expect(manifest).toMatchObject({
        name: `@holdfast/${folder}`,
        version: ROOT_MANIFEST.version,
        description: expect.stringMatching(/^[A-Z].+\.$/),
        license: 'Apache-2.0',
        type: 'module',
        engines: { node: '>=24' },
      });
    }
  });

  it('packages export and start only files that exist', () => {
    const targets = PACKAGES.flatMap(({ folder, manifest }) =>
      [...Object.values(manifest.exports ?? {}), ...Object.values(manifest.bin ?? {})].map(
        (target) => `packages/${folder}/${target.replace(/^\.\//, '')}`,
      ),
    );
    expect(missing(targets)).toEqual([]);
  });

  it('only what a package exports is an index, and it has named re-exports only', () => {
    for (const { folder, manifest, sources } of PACKAGES) {
      const entries = Object.values(manifest.exports ?? {});
      for (const index of sources.filter((file) => file.endsWith('/index.ts'))) {
        expect(entries).toContain(index.replace(`packages/${folder}`, '.'));
        const text = read(index).replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
        const rest = text.replaceAll(/export (?:type )?\{[^}]*\} from '[^']+';/g, '').trim();
        expect(rest, `${index} has more than named re-exports`).toBe('');
      }
    }
  });

  it('files are not named after nothing in particular', () => {
    const vague = /(?:^|\/|-)(?:utils?|common|helpers?|misc|manager)(?:\.|\/|-)/;
    expect(FILES.filter((file) => vague.test(file))).toEqual([]);
  });

  it('every dependency has an exact version', () => {
    const ranges = MANIFESTS.flatMap((manifest) => Object.entries(dependenciesOf(manifest))).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version),
    );
    expect(ranges).toEqual([]);
  });

  it('a dependency has one version in the whole workspace', () => {
    const versions = new Map<string, Set<string>>();
    for (const [name, version] of MANIFESTS.flatMap((m) => Object.entries(dependenciesOf(m)))) {
      versions.set(name, (versions.get(name) ?? new Set()).add(version));
    }
    for (const { manifest } of PACKAGES) versions.get(manifest.name)?.add(manifest.version);
    expect([...versions].filter(([, found]) => found.size > 1)).toEqual([]);
  });

  it('the lock file names no registry, so that any registry will do', () => {
    expect(read('package-lock.json').match(/"resolved": "https?:[^"]*"/g)).toBeNull();
  });

  it('the lock file lists the same dependencies as every package.json', () => {
    for (const [key, manifest] of [['', ROOT_MANIFEST] as const, ...workspaceEntries()]) {
      const { dependencies, devDependencies } = LOCK.packages[key] ?? {};
      expect(dependencies ?? {}, key).toEqual(manifest.dependencies ?? {});
      expect(devDependencies ?? {}, key).toEqual(manifest.devDependencies ?? {});
    }
  });

  it('the lock file has every optional dependency, also for platforms a registry lacks', () => {
    // Without them `npm ci` refuses the lock file; `npm run lock` writes them.
    const names = Object.values(LOCK.packages).flatMap((entry) =>
      Object.keys(entry.optionalDependencies ?? {}),
    );
    const known = Object.keys(LOCK.packages);
    expect(
      names.filter((name) => !known.some((key) => key.endsWith(`node_modules/${name}`))),
    ).toEqual([]);
  });

  it('every script of package.json starts a file that exists', () => {
    const named = Object.values(ROOT_MANIFEST.scripts ?? {}).flatMap((script) =>
      [...script.matchAll(/\bnode (\S+)/g)].map((match) => match[1] ?? ''),
    );
    expect(named.filter((file) => !FILES.includes(file))).toEqual([]);
  });
});

function dependenciesOf(manifest: Manifest): Readonly<Record<string, string>> {
  return {
    ...manifest.dependencies,
    ...manifest.devDependencies,
    ...manifest.optionalDependencies,
  };
}

function missing(files: readonly string[]): readonly string[] {
  return files.filter((file) => !FILES.includes(file));
}

function workspaceEntries(): readonly (readonly [string, Manifest])[] {
  return PACKAGES.map(({ folder, manifest }) => [`packages/${folder}`, manifest]);
}
