// What a person reads in the editor when a flow is wired wrongly. Unlike other unit tests these start
// a process: only the compiler itself can say what it says. All cases of a file are files of one call.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';

const ROOT = new URL('../../..', import.meta.url).pathname;

/** What is written, and what the compiler says about it; nothing when it is right. */
export interface SentenceCase {
  readonly code: string;
  readonly says: readonly string[];
}

/** Tests that the compiler says of each case what it should. `folder` is one of the build folder's, and only for these. */
export function testSentences(
  folder: string,
  preamble: string,
  cases: Readonly<Record<string, SentenceCase>>,
): void {
  describe('the compiler', () => {
    let output = '';

    beforeAll(() => {
      writeCases(join(ROOT, 'build', folder), preamble, cases);
      output = compilerOutput(join(ROOT, 'build', folder));
    }, 60_000);

    test.each(Object.entries(cases))('%s', (name, { says }) => {
      const errors = output.split('\n').filter((line) => line.includes(`/${name}.ts(`));
      const lines = errors.join('\n');
      expect(errors, lines).toHaveLength(says.length);
      for (const sentence of says) expect(lines).toContain(sentence);
    });

    test('finds nothing wrong elsewhere', () => {
      const files = [...output.matchAll(/^(?<file>\S+\.ts)\(/gm)].map(
        (match) => match.groups?.['file'],
      );
      expect(files.filter((file) => !file?.startsWith(`build/${folder}/`))).toEqual([]);
    });
  });
}

function writeCases(
  folder: string,
  preamble: string,
  cases: Readonly<Record<string, SentenceCase>>,
): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, { code }] of Object.entries(cases)) {
    writeFileSync(join(folder, `${name}.ts`), `${preamble}\n${code}\nexport {};\n`);
  }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: '../../tsconfig.json',
      compilerOptions: { isolatedDeclarations: false, declaration: false },
      include: ['*.ts'],
      exclude: [],
    }),
  );
}

/** What tsc says about the files. */
function compilerOutput(folder: string): string {
  try {
    return execFileSync(process.execPath, [join(ROOT, 'node_modules/.bin/tsc'), '-p', folder], {
      cwd: ROOT,
      encoding: 'utf8',
    });
  } catch (error) {
    // execFileSync throws an error that carries the output when the exit status isn't 0.
    return String((error as { stdout?: string }).stdout ?? error);
  }
}
