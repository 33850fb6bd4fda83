import { type AttemptRecord, type JobStatus, LIMITS } from '@holdfast/core';
import type { FlowFields, JobViewFields, JobWish } from '@holdfast/wire';
import { formatAge, formatDuration, formatElapsed } from './duration.ts';
import { formatFailures, formatNonFatal } from './failure-text.ts';
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
  /** Prints the stack traces of failures too. Default: false. */
  readonly withStacks?: boolean | undefined;
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
    formatSignals(view, style),
    formatNonFatal(view.atoms, style),
    formatFailures(view, style),
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
    ['asked', wrap(describeRequest(view, nowUnixMs), style)],
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
    case 'waiting':
      return phase.untilUnixMs === undefined
        ? ' for a signal'
        : ` for a signal, or for its time to be over ${formatAge(phase.untilUnixMs, nowUnixMs)}`;
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

/** Signals shown; `--json` has all. */
const SIGNALS_SHOWN = 20;

function formatSignals({ signals }: JobViewFields, style: TextStyle): string {
  if (signals.length === 0) return '';
  const columns = [
    { title: 'SIGNAL', align: 'right' as const },
    { title: 'NAME' },
    { title: 'RECEIVED' },
    { title: 'PAYLOAD', isFlexible: true },
  ];
  const shown = signals.slice(-SIGNALS_SHOWN);
  const rows = shown.map((signal) => [
    `${signal.seq}`,
    signal.name,
    formatAge(signal.atUnixMs, style.nowUnixMs),
    cut(JSON.stringify(payloadToJson(signal.payload)), style),
  ]);
  const dropped = signals.length - shown.length;
  const [head = '', ...lines] = formatTable(columns, rows, style).split('\n');
  return [head, ...(dropped === 0 ? [] : [`(${dropped} older signals not listed)`]), ...lines].join(
    '\n',
  );
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
