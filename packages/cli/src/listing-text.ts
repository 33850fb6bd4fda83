import { labelsText } from '@holdfast/core';
import type { FlowViewFields, JobSummaryFields, WorkerViewFields } from '@holdfast/wire';
import { formatAge } from './duration.ts';
import type { TextStyle } from './job-text.ts';
import { colorJobState } from './state-color.ts';
import { type Column, formatTable, plainText } from './table.ts';

const JOB_COLUMNS: readonly Column[] = [
  { title: 'JOB' },
  { title: 'STATE' },
  { title: 'FLOW', isFlexible: true },
  { title: 'QUEUE', isFlexible: true },
  { title: 'PRI', align: 'right' },
  { title: 'ATTEMPT', align: 'right' },
  { title: 'POSTED' },
];

/** Jobs, one in a line. */
export function formatJobs(jobs: readonly JobSummaryFields[], style: TextStyle): string {
  const rows = jobs.map(({ status, postedAtUnixMs }) => [
    status.id,
    colorJobState(status.phase.kind, style.colors),
    status.flow,
    status.queue,
    `${status.priority}`,
    `${status.attempt}`,
    formatAge(postedAtUnixMs, style.nowUnixMs),
  ]);
  return formatTable(JOB_COLUMNS, rows, style);
}

const WORKER_COLUMNS: readonly Column[] = [
  { title: 'WORKER' },
  { title: 'STATE' },
  { title: 'JOBS', align: 'right' },
  { title: 'QUEUES', isFlexible: true },
  { title: 'FLOWS', isFlexible: true },
  { title: 'UP' },
];

/** Workers, one in a line; what labels one has stands below it, because a line has no room for them. */
export function formatWorkers(workers: readonly WorkerViewFields[], style: TextStyle): string {
  const rows = workers.map(({ info, claims, isLive }) => [
    info.id,
    workerState(info.isDraining, isLive, style),
    `${claims}/${info.concurrency}`,
    info.queues.join(' '),
    info.flows.join(' '),
    formatAge(info.startedAtUnixMs, style.nowUnixMs).replace(/ ago$/, ''),
  ]);
  const [head = '', ...lines] = formatTable(WORKER_COLUMNS, rows, style).split('\n');
  return [
    head,
    ...lines.flatMap((line, index) => [line, ...labelLines(workers[index]?.info.labels, style)]),
  ].join('\n');
}

/** The labels of one worker, over as many lines as they take. */
function labelLines(
  labels: Readonly<Record<string, string>> | undefined,
  { width, colors }: TextStyle,
): readonly string[] {
  const lines: string[] = [];
  for (const text of labelsText(labels ?? {})
    .split(',')
    .filter(Boolean)) {
    const label = plainText(text);
    const last = lines.at(-1);
    const fits = last !== undefined && LABELS_INDENT.length + last.length + label.length < width;
    if (fits) lines[lines.length - 1] = `${last} ${label}`;
    else lines.push(label);
  }
  return lines.map((line) => colors.dim(`${LABELS_INDENT}${line}`));
}

const LABELS_INDENT = '  ';

function workerState(isDraining: boolean, isLive: boolean, { colors }: TextStyle): string {
  if (!isLive) return colors.red('gone');
  return isDraining ? colors.yellow('draining') : colors.green('live');
}

const FLOW_COLUMNS: readonly Column[] = [
  { title: 'FLOW' },
  { title: 'WORKERS', align: 'right' },
  { title: 'TASKS', align: 'right' },
  { title: 'DESCRIPTION', isFlexible: true },
];

/** Flows, one in a line. */
export function formatFlows(flows: readonly FlowViewFields[], style: TextStyle): string {
  const rows = flows.map(({ flow, workers }) => [
    flow.name,
    workers === 0 ? style.colors.yellow('0') : `${workers}`,
    `${flow.nodes.length}`,
    plainText(flow.description),
  ]);
  return formatTable(FLOW_COLUMNS, rows, style);
}
