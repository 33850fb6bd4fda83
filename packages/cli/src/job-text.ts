import { type AttemptRecord, type JobStatus, LIMITS, type Payload } from '@holdfast/core';
import type { FlowFields, JobViewFields, JobWish } from '@holdfast/wire';
import { formatChanges } from './change-text.ts';
import { formatAge, formatDuration, formatElapsed } from './duration.ts';
import { formatFailures, formatNonFatal } from './failure-text.ts';
import { payloadToJson } from './job-json.ts';
import { formatSignals } from './signal-text.ts';
import { colorJobState } from './state-color.ts';
import { formatTable, plainText } from './table.ts';
import { describeRemoteTask, taskJobOf, type ViewedJob } from './task-jobs.ts';
import { type TreeRow, taskTree } from './task-tree.ts';
import type { Colors } from './terminal.ts';
import { formatValue, hang } from './value-text.ts';

/** How a job is printed. */
export interface TextStyle {
  readonly colors: Colors;
  /** Characters in a line. */
  readonly width: number;
  readonly nowUnixMs: number;
  /** Prints the stack traces of failures too. Default: false. */
  readonly withStacks?: boolean | undefined;
}

const LABEL_WIDTH = 10;

/** A job with all that is known of it, for people. Ends without a line feed. */
export function formatJob(view: ViewedJob, flow: FlowFields | undefined, style: TextStyle): string {
  return [
    formatSummary(view, style),
    formatInput(view, style),
    formatAttempts(view.status, style),
    formatTasks(view, flow, style),
    formatSignals(view.signals, style),
    formatChanges(view.changes, style),
    formatNonFatal(view.atoms, style),
    formatFailures(view, style),
    view.output ? formatSection('Output', view.output, style) : '',
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
    ['state', `${colorJobState(status.phase.kind, colors)}${describePhase(view, nowUnixMs)}`],
    ['waits', wrap(plainText(view.waitingReason), style)],
    ['asked', wrap(describeRequest(view, nowUnixMs), style)],
    ['flow', status.flow],
    ['task', spec.remoteTask ? describeRemoteTask(spec.remoteTask) : ''],
    ['queue', `${status.queue}, priority ${status.priority}`],
    ['forked', spec.forkedFrom === undefined ? '' : `from ${spec.forkedFrom}`],
    ['posted', formatAge(spec.postedAtUnixMs, nowUnixMs)],
    ['limits', describeLimits(view)],
    ['labels', wrap(plainText(labels.join(' ')), style)],
    ['key', wrap(plainText(spec.idempotencyKey ?? ''), style)],
    [
      'revived',
      status.revivals === 0 ? '' : status.revivals === 1 ? 'once' : `${status.revivals} times`,
    ],
    ['input', shortInput(view, style) ?? ''],
  ];
  return lines
    .filter(([, text]) => text !== '')
    .map(([label, text]) => `${colors.dim(label.padEnd(LABEL_WIDTH))}${text}`)
    .join('\n');
}

/** The input, where it fits on a line of the summary. */
function shortInput({ spec }: JobViewFields, { width }: TextStyle): string | undefined {
  const text = formatValue(payloadToJson(spec.input), width - LABEL_WIDTH);
  return text.includes('\n') || text.length > width - LABEL_WIDTH ? undefined : text;
}

/** An input that is too long for the summary, under a heading of its own. */
function formatInput(view: JobViewFields, style: TextStyle): string {
  if (shortInput(view, style) !== undefined) return '';
  return formatSection('Input', view.spec.input, style);
}

/** What follows the name of the state. */
function describePhase({ status, atoms }: JobViewFields, nowUnixMs: number): string {
  const { phase } = status;
  switch (phase.kind) {
    case 'scheduled':
      return ` to run ${formatAge(phase.runAtUnixMs, nowUnixMs)}: ${plainText(phase.reason)}`;
    case 'ready':
      return ` for ${formatElapsed(nowUnixMs - phase.readyAtUnixMs)}`;
    case 'running':
      return ` for ${formatElapsed(nowUnixMs - phase.claimedAtUnixMs)} on ${phase.worker}`;
    case 'waiting': {
      const runsElsewhere = atoms.some((atom) => taskJobOf(atom, status) !== undefined);
      const what = runsElsewhere ? 'tasks that run elsewhere' : 'a signal';
      return phase.untilUnixMs === undefined
        ? ` for ${what}`
        : ` for ${what}, or for its time to be over ${formatAge(phase.untilUnixMs, nowUnixMs)}`;
    }
    case 'suspended': {
      const since = ` ${formatAge(phase.suspendedAtUnixMs, nowUnixMs)}`;
      return phase.runAtUnixMs === undefined
        ? since
        : `${since}; it was to run ${formatAge(phase.runAtUnixMs, nowUnixMs)}`;
    }
    case 'succeeded':
    case 'failed':
    case 'cancelled':
    case 'dead':
      return ` ${formatAge(phase.finishedAtUnixMs, nowUnixMs)}`;
    default:
      return phase satisfies never;
  }
}

const WISHES: Readonly<Record<JobWish, string>> = {
  none: '',
  suspend: 'to be suspended',
  cancelWithRevert: 'to be reverted and cancelled',
  cancel: 'to be cancelled',
};

function describeRequest({ control }: JobViewFields, nowUnixMs: number): string {
  if (!control || control.wish === 'none') return '';
  const { reason, requestedAtUnixMs, wish } = control;
  const when = requestedAtUnixMs === undefined ? '' : ` ${formatAge(requestedAtUnixMs, nowUnixMs)}`;
  return `${WISHES[wish]},${when}${reason === '' ? '' : `: ${plainText(reason)}`}`;
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
    { title: 'WORKER' },
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
  if (reason === '') return [];
  return [style.colors.dim(`         ${wrap(plainText(reason), style, 9)}`)];
}

/** A failure is told in full further down, so that here it may be cut. */
const FAILURE_IN_ROW_MAX = 60;

function noteOf({ note, failure }: TreeRow): string {
  const [line = ''] = failure.split('\n');
  const isWhole = line === failure && line.length <= FAILURE_IN_ROW_MAX;
  const short = isWhole ? failure : `${line.slice(0, FAILURE_IN_ROW_MAX - 1)}…`;
  return [note, short].filter((part) => part !== '').join(', ');
}

function formatTasks(view: ViewedJob, flow: FlowFields | undefined, style: TextStyle): string {
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
    rows.map((row) => [row.name, row.state, row.took, row.tries, noteOf(row)]),
    { ...style, wraps: true },
  );
}

/** A whole value under its heading. */
function formatSection(title: string, payload: Payload, { colors, width }: TextStyle): string {
  return `${colors.bold(title)}\n  ${hang(formatValue(payloadToJson(payload), width - 2), 2)}`;
}

/** A sentence over as many lines as it takes, each as far in as the first. */
function wrap(text: string, { width }: TextStyle, indent: number = LABEL_WIDTH): string {
  const room = width - indent;
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > room) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join(`\n${' '.repeat(indent)}`);
}
