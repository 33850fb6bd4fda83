// `npm run lock`: npm install, then the entries that npm leaves out of package-lock.json.
//
// Tools with native parts have one optional package per platform. A registry mirror that carries only
// some platforms makes npm write a lock file without the others, and `npm ci` then refuses that lock
// file everywhere. Their versions are exact and their names say their platform, so the missing entries
// can be written down; a machine of such a platform fetches its package by name and version.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './command.ts';

interface LockEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface LockFile {
  packages: Record<string, LockEntry>;
}

const LOCK_FILE = join(ROOT, 'package-lock.json');

/** What the end of a package's name says: `-linux-arm64-musl`, `-win32-x64-msvc`, `-android-arm-eabi`. */
const PLATFORM =
  /[-/](?<os>aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-(?<cpu>arm64|arm|ia32|loong64|ppc64|riscv64|s390x|x64)(?:v7)?(?:-(?<abi>[a-z]+))?$/;

function main(): void {
  // The shape that npm documents for lock files of version 3.
  const lock = JSON.parse(readFileSync(LOCK_FILE, 'utf8')) as LockFile;
  const added: string[] = [];
  for (const entry of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const key = `node_modules/${name}`;
      if (Object.keys(lock.packages).some((known) => known.endsWith(key))) continue;
      lock.packages[key] = platformEntry(name, { version, isDev: entry.dev === true });
      added.push(name);
    }
  }
  const sorted = Object.entries(lock.packages).toSorted(([a], [b]) => a.localeCompare(b, 'en'));
  lock.packages = Object.fromEntries(sorted);
  writeFileSync(LOCK_FILE, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`package-lock.json: ${added.length} entries for other platforms added`);
}

function platformEntry(
  name: string,
  options: { readonly version: string; readonly isDev: boolean },
): LockEntry {
  const platform = PLATFORM.exec(name)?.groups;
  const { os, cpu, abi } = platform ?? {};
  if (os === undefined || cpu === undefined || !/^\d+\.\d+\.\d+/.test(options.version)) {
    throw new Error(`${name}@${options.version}: not the name and exact version of a platform`);
  }
  return {
    version: options.version,
    cpu: [cpu],
    ...(options.isDev ? { dev: true } : {}),
    ...(os === 'linux' && abi !== undefined
      ? { libc: [abi.startsWith('musl') ? 'musl' : 'glibc'] }
      : {}),
    optional: true,
    os: [os],
  };
}

main();
