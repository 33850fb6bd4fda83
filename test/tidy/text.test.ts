// What may not stand in any file that people write.
import { describe, expect, it } from 'vitest';
import { isCode, read, WRITTEN_FILES } from './repository.ts';

interface Rule {
  readonly rule: string;
  readonly pattern: RegExp;
  /** Which files it is for, all by default. */
  readonly applies?: (file: string) => boolean;
}

const RULES: readonly Rule[] = [
  {
    rule: 'no test is focused, skipped or left for later',
    pattern: /\b(?:it|test|describe|suite|bench)(?:\.\w+)*\.(?:only|skip|todo|fails)\b/,
    applies: isCode,
  },
  {
    rule: 'no mark for work left over: write an issue, or do it',
    pattern: /(?:\/\/|\/\*|^\s*\*|#|<!--)\s*(?:TODO|FIXME|XXX|HACK)\b/,
  },
  {
    rule: 'no path of one particular machine',
    pattern: /(?<![\w.])\/(?:work|root|home\/\w+|Users\/\w+)\//,
  },
  {
    rule: 'no address of a package registry',
    pattern:
      /\bregistry\.[a-z0-9-]+\.[a-z]+|\b(?:npmjs|yarnpkg)\.(?:com|org)\b|\bverdaccio\b|\bartifactory\b/i,
  },
  {
    rule: 'no line ends with blanks, and none is indented by tabs',
    pattern: /[ \t]+$|^\t+/,
    applies: (file) => file !== 'LICENSE' && !file.endsWith('.bats'),
  },
  {
    rule: 'no lint rule is switched off without a reason',
    pattern: /(?:oxlint|eslint|biome)-(?:disable|ignore)[\w-]*(?:\s+[\w/@(),\s-]+?)?\s*$/,
    applies: isCode,
  },
  {
    rule: 'the type checker is not silenced',
    pattern: /@ts-(?:ignore|nocheck)\b/,
    applies: isCode,
  },
];

describe('text', () => {
  it.each(RULES)('$rule', ({ pattern, applies }) => {
    const found = WRITTEN_FILES.filter((file) => applies?.(file) ?? true).flatMap((file) =>
      linesOf(file)
        .map((line, index) => ({ where: `${file}:${index + 1}`, line }))
        .filter(({ line }) => pattern.test(line)),
    );
    expect(found).toEqual([]);
  });

  it('every written file ends with a line end', () => {
    expect(WRITTEN_FILES.filter((file) => !/^$|\n$/.test(read(file)))).toEqual([]);
  });
});

/** This folder has to spell out what it forbids. */
function linesOf(file: string): readonly string[] {
  return file === 'test/tidy/text.test.ts' ? [] : read(file).split('\n');
}
