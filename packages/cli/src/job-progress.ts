// A job as it gets on: a picture that is redrawn on a terminal, a line for each change elsewhere.
import type { FlowFields, JobViewFields } from '@holdfast/wire';
import { createLogUpdate } from 'log-update';
import type { TextStyle } from './job-text.ts';
import { colorJobState } from './state-color.ts';
import { formatTable, plainText } from './table.ts';
import { type TreeRow, taskTree } from './task-tree.ts';

/** Shows a job again and again. */
export interface JobProgress {
  show(view: JobViewFields): void;
  /** Leaves the last picture standing. */
  finish(): void;
  /** Takes the last picture away; lines stay. */
  clear(): void;
}

export interface ProgressOptions {
  /** Where to: the terminal's standard output or standard error. */
  readonly output: NodeJS.WriteStream;
  /** The job's flow, where it is known: it tells which tasks are still to come. */
  readonly flow: FlowFields | undefined;
  readonly style: () => TextStyle;
}

/** A picture on a terminal; lines where there is none. */
export function createJobProgress(options: ProgressOptions): JobProgress {
  return options.output.isTTY ? new LiveProgress(options) : new LineProgress(options);
}

class LiveProgress implements JobProgress {
  readonly #options: ProgressOptions;
  readonly #draw: ReturnType<typeof createLogUpdate>;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#draw = createLogUpdate(options.output);
  }

  show(view: JobViewFields): void {
    const { flow, style } = this.#options;
    this.#draw(formatProgress(view, flow, style()));
  }

  finish(): void {
    this.#draw.done();
  }

  clear(): void {
    this.#draw.clear();
    this.#draw.done();
  }
}

class LineProgress implements JobProgress {
  readonly #options: ProgressOptions;
  readonly #shown = new Map<string, string>();

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  show(view: JobViewFields): void {
    const style = this.#options.style();
    this.#tell('state', stateLine(view, style));
    this.#tell('detail', detailLine(view));
    for (const row of taskTree(view, this.#options.flow, style)) {
      if (row.begun === undefined) continue;
      // Times change without anything happening.
      this.#tell(`task ${row.begun}`, ` ${row.begun} ${[row.state, ...notesOf(row)].join(', ')}`);
    }
  }

  finish(): void {
    this.#shown.clear();
  }

  clear(): void {
    this.finish();
  }

  #tell(key: string, line: string): void {
    if (this.#shown.get(key) === line) return;
    this.#shown.set(key, line);
    if (line === '') return;
    this.#options.output.write(`${line}\n`);
  }
}

/** The state of a job and its tasks, in a few lines. */
function formatProgress(
  view: JobViewFields,
  flow: FlowFields | undefined,
  style: TextStyle,
): string {
  const rows = taskTree(view, flow, style).map((row) => [
    ` ${row.name}`,
    row.state,
    row.took,
    notesOf(row).join(', '),
  ]);
  const columns = [{ title: '' }, { title: '' }, { title: '' }, { title: '', isFlexible: true }];
  const [, ...table] = formatTable(columns, rows, style).split('\n');
  return [stateLine(view, style), detailLine(view), ...table]
    .filter((line) => line !== '')
    .join('\n');
}

function notesOf({ note, failure }: TreeRow): readonly string[] {
  return [note, failure].filter((part) => part !== '');
}

function stateLine({ status }: JobViewFields, { colors }: TextStyle): string {
  return `job ${status.id} ${colorJobState(status.phase.kind, colors)}`;
}

/** Who runs the job, or why nobody does; empty where there is nothing to tell. */
function detailLine({ status, waitingReason }: JobViewFields): string {
  const { phase } = status;
  if (phase.kind === 'running') return ` attempt ${status.attempt} on ${phase.worker}`;
  return waitingReason === '' ? '' : ` ${plainText(waitingReason)}`;
}
