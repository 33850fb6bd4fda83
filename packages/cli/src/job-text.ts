import {
  type AtomRecord,
  type AttemptRecord,
  type Failure,
  type JobStatus,
  LIMITS,
} from '@holdfast/core';
import type { FlowFields, JobViewFields } from '@holdfast/wire';
import { formatAge, formatDuration, formatElapsed } from './duration.ts';
import { payloadToJson } from './job-json.ts';
import { colorJobState } from './state-color.ts';
import { formatTable, plainText } from './table.ts';
import { taskTree } from './task-tree.ts';
import type { Colors } from './terminal.ts';

/** How a job is printed. */
export interface TextStyle {
  readonly colors: Colors;
  /** Characters in a line. */
  readonly width: number;
  readonly nowUnixMs: number;
}

const LABEL_WIDTH = 10;

/** A job with all that is known of it, for people. Ends without a line feed. */
export function formatJob(
  view: JobViewFields,
  flow: FlowFields | undefined,
  style: TextStyle,
): string {
  return [
    formatSummary(view, style),
    formatAttempts(view.status, style),
    formatTasks(view, flow, style),
    formatNonFatal(view.atoms, style),
    formatFailure(view, style),
    view.output ? formatOutput(view.output, style) : '',
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function formatSummary(view: JobViewFields, style: TextStyle): string {
  const { spec, status } = view;
  const { colors, nowUnixMs } = style;
  const labels = Object.entries(spec.labels).map(([key, value]) => `${key}=${value}`);
  const lines: (readonly [string, string])[] = [
    ['job', colors.bold(status.id)],
    ['state', `${colorJobState(status.phase.kind, colors)}${describePhase(status, nowUnixMs)}`],
    ['waits', wrap(plainText(view.waitingReason), style)],
    ['cancel', describeCancel(view, nowUnixMs)],
    ['flow', status.flow],
    ['queue', `${status.queue}, priority ${status.priority}`],
    ['posted', formatAge(spec.postedAtUnixMs, nowUnixMs)],
    ['limits', describeLimits(view)],
    ['labels', cut(plainText(labels.join(' ')), style)],
    ['key', cut(plainText(spec.idempotencyKey ?? ''), style)],
    [
      'revived',
      status.revivals === 0 ? '' : status.revivals === 1 ? 'once' : `${status.revivals} times`,
    ],
    ['input', cut(JSON.stringify(payloadToJson(spec.input)), style)],
  ];
  return lines
    .filter(([, text]) => text !== '')
    .map(([label, text]) => `${colors.dim(label.padEnd(LABEL_WIDTH))}${text}`)
    .join('\n');
}

/** What follows the name of the state. */
function describePhase(status: JobStatus, nowUnixMs: number): string {
  const { phase } = status;
  switch (phase.kind) {
    case 'scheduled':
      return ` to run ${formatAge(phase.runAtUnixMs, nowUnixMs)}: ${plainText(phase.reason)}`;
    case 'ready':
      return ` for ${formatElapsed(nowUnixMs - phase.readyAtUnixMs)}`;
    case 'running':
      return ` for ${formatElapsed(nowUnixMs - phase.claimedAtUnixMs)} on ${phase.worker}`;
    case 'succeeded':
    case 'failed':
    case 'cancelled':
    case 'dead':
      return ` ${formatAge(phase.finishedAtUnixMs, nowUnixMs)}`;
    default:
      return phase satisfies never;
  }
}

function describeCancel({ control }: JobViewFields, nowUnixMs: number): string {
  if (!control?.cancel) return '';
  const reason = control.reason === '' ? '' : `: ${plainText(control.reason)}`;
  return `asked for ${formatAge(control.requestedAtUnixMs, nowUnixMs)}${reason}`;
}

function describeLimits({ spec, status }: JobViewFields): string {
  const { queueMs, attemptMs, totalMs } = spec.deadlines;
  const lost = status.lostAttempts === 0 ? '' : ` (${status.lostAttempts} so far)`;
  const parts = [`${spec.maxAttempts} lost attempts${lost}`];
  if (queueMs !== undefined) parts.push(`queue ${formatDuration(queueMs)}`);
  if (attemptMs !== undefined) parts.push(`attempt ${formatDuration(attemptMs)}`);
  if (totalMs !== undefined) parts.push(`total ${formatDuration(totalMs)}`);
  if (spec.retentionMs !== LIMITS.retentionDefaultMs)
    parts.push(`kept ${formatDuration(spec.retentionMs)}`);
  return parts.join(', ');
}

function formatAttempts(status: JobStatus, style: TextStyle): string {
  if (status.attempts.length === 0) return '';
  const columns = [
    { title: 'ATTEMPT', align: 'right' as const },
    { title: 'WORKER', isFlexible: true },
    { title: 'STARTED' },
    { title: 'TOOK', align: 'right' as const },
    { title: 'ENDED' },
  ];
  const rows = status.attempts.map((attempt) => [
    `${attempt.number}`,
    attempt.worker,
    formatAge(attempt.claimedAtUnixMs, style.nowUnixMs),
    formatElapsed((attempt.endedAtUnixMs ?? style.nowUnixMs) - attempt.claimedAtUnixMs),
    attempt.end ?? '',
  ]);
  const [head = '', ...lines] = formatTable(columns, rows, style).split('\n');
  const older =
    status.attemptsDropped === 0 ? [] : [`(${status.attemptsDropped} older attempts not listed)`];
  return [
    head,
    ...older,
    ...lines.flatMap((line, index) => [line, ...reasonOf(status.attempts[index], style)]),
  ].join('\n');
}

/** Why an attempt ended as it did, on a line of its own: reasons are sentences. */
function reasonOf(attempt: AttemptRecord | undefined, style: TextStyle): readonly string[] {
  const reason = attempt?.reason ?? '';
  return reason === '' ? [] : [style.colors.dim(`         ${cut(plainText(reason), style)}`)];
}

function formatTasks(view: JobViewFields, flow: FlowFields | undefined, style: TextStyle): string {
  const rows = taskTree(view, flow, style);
  if (rows.length === 0) return '';
  const columns = [
    { title: 'TASK' },
    { title: 'STATE' },
    { title: 'TOOK', align: 'right' as const },
    { title: 'TRY', align: 'right' as const },
    { title: '', isFlexible: true },
  ];
  return formatTable(
    columns,
    rows.map((row) => [row.name, row.state, row.took, row.tries, row.note]),
    style,
  );
}

function formatNonFatal(atoms: readonly AtomRecord[], style: TextStyle): string {
  const lines = atoms.flatMap((atom) => {
    const kept = atom.errors.map(
      ({ failure }) =>
        `  ${cut(plainText(`${atom.name}: ${failure.type}: ${failure.message}`), style)}`,
    );
    if (atom.errorsDropped > 0) kept.push(`  ${atom.name}: ${atom.errorsDropped} more, not kept`);
    return kept;
  });
  return lines.length === 0 ? '' : [style.colors.bold('Non-fatal errors'), ...lines].join('\n');
}

function formatFailure({ status }: JobViewFields, { colors }: TextStyle): string {
  const failure = 'failure' in status.phase ? status.phase.failure : undefined;
  if (!failure) return '';
  const where = failure.task === undefined ? '' : ` in task ${failure.task}`;
  return [
    colors.red(`Failure${where}`),
    `  ${plainText(`${failure.type}: ${failure.message}`)}`,
    ...failure.causes.map((cause) => `  caused by ${plainText(`${cause.type}: ${cause.message}`)}`),
    ...stackLines(failure).map((line) => colors.dim(`  ${line}`)),
  ].join('\n');
}

/** The stack without its first lines, which repeat type and message. */
function stackLines(failure: Failure): readonly string[] {
  const lines = plainText(failure.stack).split('\n');
  return lines.filter((line) => /^\s+at /.test(line)).map((line) => line.trimEnd());
}

function formatOutput(output: NonNullable<JobViewFields['output']>, style: TextStyle): string {
  return `${style.colors.bold('Output')}\n  ${cut(JSON.stringify(payloadToJson(output)), style)}`;
}

/** A sentence over as many lines as it takes, each as far in as the first. */
function wrap(text: string, { width }: TextStyle): string {
  const room = width - LABEL_WIDTH;
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > room) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join(`\n${' '.repeat(LABEL_WIDTH)}`);
}

/** One line of what may be long; `--json` has the whole. */
function cut(text: string, { width }: TextStyle): string {
  const line = text.replaceAll(/\s*\n\s*/g, ' ');
  const room = width - LABEL_WIDTH;
  return line.length <= room ? line : `${line.slice(0, room - 1)}…`;
}
