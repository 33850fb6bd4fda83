// Holds the committed protobuf code to the .proto files: lint, formatting, and a fresh generation
// into a temporary directory that must come out the same.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './command.ts';

const GENERATED = 'packages/wire/src/gen';

function main(): void {
  const scratch = mkdtempSync(join(tmpdir(), 'holdfast-generated-'));
  try {
    buf('lint');
    buf('format', '--diff', '--exit-code');
    mkdirSync(join(scratch, 'proto'));
    buf('generate', '--output', join(scratch, 'proto'));
    const differing = differences(join(ROOT, GENERATED), join(scratch, GENERATED));
    for (const file of differing) console.log(`${GENERATED}/${file} is not what buf generates`);
    if (differing.length > 0) process.exitCode = 1;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** Throws when buf reports something; its own words have been shown by then. */
function buf(...args: readonly string[]): void {
  execFileSync('buf', args, { cwd: join(ROOT, 'proto'), stdio: 'inherit' });
}

/** The files that are only on one side or not the same on both. */
function differences(left: string, right: string): readonly string[] {
  const names = new Set([...filesBelow(left), ...filesBelow(right)]);
  return [...names].toSorted().filter((name) => read(left, name) !== read(right, name));
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

function read(folder: string, name: string): string | undefined {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

main();
