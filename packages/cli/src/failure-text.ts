import type { AtomRecord, Failure } from '@holdfast/core';
import type { JobViewFields } from '@holdfast/wire';
import { formatAge } from './duration.ts';
import { formatTable, plainText } from './table.ts';
import type { Colors } from './terminal.ts';

/** How failures are printed. */
export interface FailureStyle {
  readonly colors: Colors;
  readonly width: number;
  readonly nowUnixMs: number;
  /** Prints stack traces too. Default: false. */
  readonly withStacks?: boolean | undefined;
}

/** Every failure of a job, cause by cause: why it failed, then those of other tasks, then of reverts. */
export function formatFailures(view: JobViewFields, style: FailureStyle): string {
  const { phase } = view.status;
  const main = 'failure' in phase ? phase.failure : undefined;
  const blocks: string[] = [];
  if (main) blocks.push(formatChain(headingOf(main, view), main, style));
  for (const atom of view.atoms) {
    const { name, failure, revertFailure, state } = atom;
    if (failure?.task === name && name !== main?.task) {
      // One that is tried again has not failed for good.
      const what = state === 'pending' || state === 'running' ? 'Last failure' : 'Failure';
      blocks.push(formatChain(`${what} in task ${name}${triesOf(atom.tries)}`, failure, style));
    }
    if (revertFailure) {
      const heading = `Revert failure in task ${name}${triesOf(atom.revertTries)}`;
      blocks.push(formatChain(heading, revertFailure, style));
    }
  }
  return blocks.join('\n\n');
}

function headingOf({ task }: Failure, { atoms }: JobViewFields): string {
  if (task === undefined) return 'Failure';
  const tries = atoms.find(({ name }) => name === task)?.tries ?? 0;
  return `Failure in task ${task}${triesOf(tries)}`;
}

function triesOf(tries: number): string {
  return tries > 1 ? ` after ${tries} tries` : '';
}

/** A failure, its stack where that is asked for, and its causes, each on a line of its own. */
function formatChain(heading: string, failure: Failure, style: FailureStyle): string {
  const { colors, width } = style;
  // The stack is that of the failure, not of a cause.
  const stack = style.withStacks ? stackLines(failure) : [];
  return [
    colors.red(plainText(heading)),
    wrapText(sayFailure(failure), width),
    ...stack.map((line) => colors.dim(`  ${line}`)),
    ...failure.causes.map((cause) => wrapText(`caused by ${sayFailure(cause)}`, width)),
  ].join('\n');
}

/** The stack without its first lines, which repeat type and message. */
function stackLines(failure: Failure): readonly string[] {
  const lines = plainText(failure.stack).split('\n');
  return lines.filter((line) => /^\s+at /.test(line)).map((line) => line.trimEnd());
}

/** The errors that ended no task: when, and in which try. */
export function formatNonFatal(atoms: readonly AtomRecord[], style: FailureStyle): string {
  const rows = atoms.flatMap(({ name, errors, errorsDropped }) => [
    ...errors.map(({ atUnixMs, try: tryNumber, failure }) => [
      name,
      `${tryNumber}`,
      formatAge(atUnixMs, style.nowUnixMs),
      plainText([failure, ...failure.causes].map(sayFailure).join(', caused by ')),
    ]),
    ...(errorsDropped === 0 ? [] : [[name, '', '', `${errorsDropped} more, not kept`]]),
  ]);
  if (rows.length === 0) return '';
  const columns = [
    { title: 'NON-FATAL ERROR IN' },
    { title: 'TRY', align: 'right' as const },
    { title: 'WHEN' },
    { title: '', isFlexible: true },
  ];
  const table = formatTable(columns, rows, { ...style, wraps: true });
  if (!style.withStacks) return table;
  const stacks = atoms.flatMap(({ name, errors }) =>
    errors.map(({ failure }) => formatChain(`Non-fatal error in task ${name}`, failure, style)),
  );
  return [table, ...stacks].join('\n\n');
}

function sayFailure({
  type,
  message,
}: {
  readonly type: string;
  readonly message: string;
}): string {
  return `${type}: ${message}`;
}

/** Text of unknown origin over as many lines as it takes, all but the first further in; its own line feeds are kept. */
function wrapText(text: string, width: number): string {
  const room = Math.max(1, width - 4);
  const lines: string[] = [];
  for (const paragraph of plainText(text).split('\n')) {
    // What stands in columns, such as a caret below a word, is left as it is.
    if (paragraph.length <= room) lines.push(paragraph.trimEnd());
    else lines.push(...wrapWords(paragraph.trimEnd().split(/\s+/), room));
  }
  return lines.map((line, index) => (index === 0 ? `  ${line}` : `    ${line}`)).join('\n');
}

function wrapWords(words: readonly string[], room: number): readonly string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > room) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
