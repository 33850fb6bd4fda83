// `npm run build`: build/<package>/ for every public package, ready for `npm pack`. The workspace
// itself never needs this: Node runs the TypeScript sources as they are.
//
//   B1. One tsc call emits all packages, so that they are checked against each other as they are shipped.
//   B2. A staged package.json names JavaScript and declarations only; nothing in it points to sources.
//   B3. No file loads a `.ts` file: tsc rewrites the imports of the JavaScript; the staging rewrites those of the
//       declarations, and the names in `new URL('./x.ts', import.meta.url)`.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './command.ts';

/** The fields of a package.json that the build reads or changes. */
interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly exports: Readonly<Record<string, string>>;
}

interface Package {
  readonly folder: string;
  readonly manifest: Manifest;
}

const BUILD = join(ROOT, 'build');

/** tsc writes here, a folder per package, before the staging. */
const EMITTED = join(BUILD, 'emitted');

/** Names of `.ts` files that tsc leaves as they are; $1 and $2 are what stands around the ending. */
const DECLARATION_IMPORT = /((?:from |import\()['"]\.{1,2}\/[^'"]*)\.ts(['"])/g;
const RELATIVE_URL = /(new URL\(\s*['"]\.{1,2}\/[^'"]*)\.ts(['"],\s*import\.meta\.url)/g;

function main(): void {
  const packages = readdirSync(join(ROOT, 'packages'))
    .map((folder) => ({ folder, manifest: readManifest(folder) }))
    .filter(({ manifest }) => manifest.private !== true);
  emit();
  for (const each of packages) stage(each);
  rmSync(EMITTED, { recursive: true });
  console.log(`built ${packages.length} packages in build/`);
}

function readManifest(folder: string): Manifest {
  // Our own files; the tidy tests hold them to this shape.
  return JSON.parse(
    readFileSync(join(ROOT, 'packages', folder, 'package.json'), 'utf8'),
  ) as Manifest;
}

/** Runs tsc over all packages. */
function emit(): void {
  rmSync(EMITTED, { recursive: true, force: true });
  mkdirSync(EMITTED, { recursive: true });
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: {
      noEmit: false,
      rootDir: '../../packages',
      outDir: '.',
      sourceMap: false,
      stripInternal: true,
    },
    include: ['../../packages/*/src/**/*.ts'],
    exclude: ['test', 'test-d', 'fixture'].map((kind) => `../../packages/*/src/**/*.${kind}.ts`),
  };
  writeFileSync(join(EMITTED, 'tsconfig.json'), JSON.stringify(config));
  const tsc = spawnSync(process.execPath, [join(ROOT, 'node_modules/.bin/tsc'), '-p', EMITTED], {
    stdio: 'inherit',
  });
  if (tsc.status !== 0) throw new Error('tsc found errors; `npm run types` shows the same ones');
}

/** Puts one package together. */
function stage({ folder, manifest }: Package): void {
  const source = join(ROOT, 'packages', folder);
  const target = join(BUILD, folder);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  cpSync(join(EMITTED, folder, 'src'), join(target, 'dist'), { recursive: true });
  const hasBin = existsSync(join(source, 'bin'));
  if (hasBin) cpSync(join(source, 'bin'), join(target, 'bin'), { recursive: true });
  cpSync(join(source, 'README.md'), join(target, 'README.md'));
  cpSync(join(ROOT, 'LICENSE'), join(target, 'LICENSE'));
  const files = hasBin ? ['dist', 'bin'] : ['dist'];
  const staged = { ...manifest, exports: stagedExports(manifest), files };
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(staged, null, 2)}\n`);
  finishNames(target);
}

function stagedExports(manifest: Manifest): Readonly<Record<string, object>> {
  return Object.fromEntries(
    Object.entries(manifest.exports).map(([path, source]) => {
      const built = source.replace('./src/', './dist/');
      return [
        path,
        { types: built.replace(/\.ts$/, '.d.ts'), default: built.replace(/\.ts$/, '.js') },
      ];
    }),
  );
}

/** Makes every file refer to the emitted names (B3). */
function finishNames(target: string): void {
  const names = readdirSync(target, { recursive: true, encoding: 'utf8' });
  for (const name of names.filter((file) => /\.[jt]s$/.test(file))) {
    const pattern = name.endsWith('.d.ts') ? DECLARATION_IMPORT : RELATIVE_URL;
    const text = readFileSync(join(target, name), 'utf8');
    writeFileSync(join(target, name), text.replaceAll(pattern, '$1.js$2'));
  }
}

main();
