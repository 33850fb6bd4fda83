import type { Failure, TaskState } from '@holdfast/core';

/** Something that happened in a trial; `atMs` is virtual time since its start. */
export type TraceEvent =
  | {
      readonly kind: 'transition';
      readonly atMs: number;
      readonly attempt: number;
      readonly task: string;
      readonly from: TaskState;
      readonly to: TaskState;
    }
  /** A task reported an error that doesn't end it. */
  | {
      readonly kind: 'error';
      readonly atMs: number;
      readonly attempt: number;
      readonly task: string;
      readonly failure: Failure;
    }
  /** A further attempt starts where the one before has left the flow. */
  | { readonly kind: 'attempt'; readonly atMs: number; readonly attempt: number }
  /** The process died as the test had asked; so many commits were durable by then. */
  | {
      readonly kind: 'crash';
      readonly atMs: number;
      readonly attempt: number;
      readonly commits: number;
    };

/** What happened, in order. */
export interface Trace {
  readonly events: readonly TraceEvent[];
  /** A line for each event, without times: `task: from -> to`. */
  readonly lines: readonly string[];
  /** The lines as the text of a golden file; ends with a line feed. */
  readonly text: string;
}

/** The trace of these events. */
export function createTrace(events: readonly TraceEvent[]): Trace {
  const lines = events.map(lineOf);
  return { events, lines, text: lines.map((line) => `${line}\n`).join('') };
}

function lineOf(event: TraceEvent): string {
  switch (event.kind) {
    case 'transition':
      return `${event.task}: ${event.from} -> ${event.to}`;
    case 'error':
      return `${event.task}: reports ${event.failure.type}: ${oneLine(event.failure.message)}`;
    case 'attempt':
      return `--- attempt ${event.attempt}`;
    case 'crash':
      return `--- crash after commit ${event.commits}`;
    default:
      return event satisfies never;
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ');
}
