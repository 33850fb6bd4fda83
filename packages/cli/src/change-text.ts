import type { ChangedTask, JobChange, TaskChange } from '@holdfast/core';
import { formatAge } from './duration.ts';
import { payloadToJson } from './job-json.ts';
import { colorTaskState } from './state-color.ts';
import { formatTable, plainText, type TableStyle } from './table.ts';

/** Changes shown, and tasks of one of them; `--json` has all. */
const CHANGES_SHOWN = 20;
const TASKS_SHOWN = 50;

/** What operators have changed about a job, the last of it last; empty where nothing was changed. */
export function formatChanges(
  changes: readonly JobChange[],
  style: TableStyle & { readonly nowUnixMs: number },
): string {
  if (changes.length === 0) return '';
  const columns = [
    { title: 'CHANGE', align: 'right' as const },
    { title: 'BY', isFlexible: true },
    { title: 'WHEN' },
    { title: 'WHAT', isFlexible: true },
    { title: 'WHY', isFlexible: true },
  ];
  const shown = changes.slice(-CHANGES_SHOWN);
  const rows = shown.map((change) => [
    `${change.seq}`,
    plainText(change.by),
    formatAge(change.atUnixMs, style.nowUnixMs),
    describeRequest(change),
    plainText(change.reason),
  ]);
  const table = formatTable(columns, rows, { ...style, wraps: true });
  const dropped = changes.length - shown.length;
  return dropped === 0 ? table : `${table}\n(${dropped} older changes not listed)`;
}

/** What a change does to tasks. `isDone` is false for what it only would do. */
export function formatChangedTasks(
  tasks: readonly ChangedTask[],
  style: TableStyle,
  isDone: boolean,
): string {
  if (tasks.length === 0) return '';
  const shown = tasks.slice(0, TASKS_SHOWN);
  const hasValues = shown.some(({ result }) => result !== undefined);
  const columns = [
    { title: 'TASK', isFlexible: true },
    { title: 'WAS' },
    { title: isDone ? 'IS' : 'WOULD BE' },
    ...(hasValues ? [{ title: 'WITH', isFlexible: true }] : []),
  ];
  const rows = shown.map(({ task, before, after, result }) => [
    task,
    colorTaskState(before, style.colors),
    colorTaskState(after, style.colors),
    ...(hasValues ? [result ? plainText(JSON.stringify(payloadToJson(result))) : ''] : []),
  ]);
  const table = formatTable(columns, rows, { ...style, wraps: true });
  const more = tasks.length - rows.length;
  return more === 0 ? table : `${table}\n(${more} more tasks)`;
}

function describeRequest({ changes, fork }: JobChange): string {
  const origin = fork
    ? [`forked from ${fork.jobId}${fork.fromTask === undefined ? '' : ` at ${fork.fromTask}`}`]
    : [];
  return [...origin, ...changes.map(describeChange)].join(', ');
}

function describeChange(change: TaskChange): string {
  switch (change.kind) {
    case 'retryFrom':
      return `retry from ${change.task}`;
    case 'setResult':
      return `set ${change.task}`;
    case 'skip':
      return `skip ${change.task}`;
    case 'revert':
      return 'revert';
    case 'retryRevert':
      return `retry revert of ${change.task}`;
    case 'resolveRevert':
      return `resolve revert of ${change.task}`;
    default:
      return change satisfies never;
  }
}
