// What documents say about the `holdfast` command is true of the command, and the other way round.
import { describe, expect, it } from 'vitest';
import { FILES, PACKAGES, read } from './repository.ts';

const SOURCES: string = (PACKAGES.find((each) => each.folder === 'cli')?.sources ?? [])
  .filter((file) => !file.endsWith('.test.ts'))
  .map(read)
  .join('\n');

const COMMANDS: readonly string[] = namesIn(SOURCES, /\.command\('(?<name>[a-z]+)/g);
const OPTIONS: readonly string[] = [...namesIn(SOURCES, /(?<name>--[a-z][a-z-]+)/g), '--help'];

interface Call {
  readonly document: string;
  readonly command: string;
  readonly rest: string;
}

/** Every call of the command that stands in a shell fence or between backticks. */
const CALLS: readonly Call[] = FILES.filter((file) => file.endsWith('.md')).flatMap((document) =>
  codeOf(document)
    .flatMap((code) => [...code.matchAll(/\bholdfast (?<command>[a-z]+)\b(?<rest>[^\n|]*)/g)])
    .map(({ groups }) => ({
      document,
      command: groups?.['command'] ?? '',
      rest: groups?.['rest'] ?? '',
    })),
);

describe('the holdfast command', () => {
  it('has every command that documents call', () => {
    expect(COMMANDS.length).toBeGreaterThan(5);
    expect(CALLS.filter(({ command }) => !COMMANDS.includes(command))).toEqual([]);
  });

  it('has every option that documents give it', () => {
    const wrong = CALLS.flatMap(({ document, rest }) =>
      namesIn(rest, /(?<=\s)(?<name>--[a-z][a-z-]+)/g).map((option) => ({ document, option })),
    );
    expect(wrong.filter(({ option }) => !OPTIONS.includes(option))).toEqual([]);
  });

  it('has a README that names every command', () => {
    const named = CALLS.filter(({ document }) => document === 'packages/cli/README.md');
    const names = new Set(named.map(({ command }) => command));
    expect(COMMANDS.filter((command) => !names.has(command))).toEqual([]);
  });
});

function namesIn(text: string, pattern: RegExp): readonly string[] {
  return [...text.matchAll(pattern)].map((match) => match.groups?.['name'] ?? '');
}

/** The shell fences of a document, each command on one line, and what stands between backticks. */
function codeOf(document: string): readonly string[] {
  const text = read(document);
  const fences = [...text.matchAll(/^```(?:sh|bash|console)\n(?<code>[\s\S]*?)^```/gm)];
  const rest = text.replaceAll(/^```[\s\S]*?^```/gm, '');
  const inline = [...rest.matchAll(/`(?<code>[^`\n]+)`/g)];
  return [...fences, ...inline].map((match) =>
    (match.groups?.['code'] ?? '')
      .replaceAll(/\\\n\s*/g, ' ')
      .replaceAll(/^\s*(?:\/\/|#).*$/gm, ''),
  );
}
