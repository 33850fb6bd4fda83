import { ATTRIBUTES, SPANS } from '@holdfast/telemetry';
import type { ReceivedSpan } from '@holdfast/telemetry/testing';
import type { Kill } from './assassin.ts';
import { workerName } from './progress-screen.ts';
import { type Bar, drawWaterfall } from './waterfall.ts';

/** The spans of one job's trace, by what they tell of. */
export interface JobTrace {
  readonly post: ReceivedSpan | undefined;
  /** In their order; each linked to the one before. */
  readonly attempts: readonly ReceivedSpan[];
  readonly tasks: readonly ReceivedSpan[];
}

/** Picks the spans of a job out of all that were received. */
export function findJobTrace(spans: readonly ReceivedSpan[], jobId: string): JobTrace {
  const own = spans.filter((span) => span.attributes[ATTRIBUTES.jobId] === jobId);
  const attempts = own
    .filter((span) => span.name === SPANS.jobAttempt)
    .sort(
      (a, b) => Number(a.attributes[ATTRIBUTES.attempt]) - Number(b.attributes[ATTRIBUTES.attempt]),
    );
  const traceId = attempts[0]?.traceId;
  return {
    post: spans.find((span) => span.traceId === traceId && span.name === SPANS.jobPost),
    attempts,
    tasks: own.filter((span) => span.name === SPANS.taskExecute),
  };
}

/** True when the trace has `attempts` attempts in one trace, each linked to the one before. */
export function isWhole(trace: JobTrace, attempts: number): boolean {
  const { post } = trace;
  return (
    post !== undefined &&
    trace.attempts.length === attempts &&
    trace.attempts.every(
      (span, index) =>
        span.traceId === post.traceId &&
        (index === 0 ||
          span.links.some((link) => link.spanId === trace.attempts[index - 1]?.spanId)),
    )
  );
}

/** The trace as a waterfall, `width` characters wide. */
export function drawTrace(trace: JobTrace, kill: Kill, width: number): readonly string[] {
  const bars: Bar[] = trace.post ? [barOf(trace.post, { label: 'post', depth: 0, note: '' })] : [];
  for (const attempt of trace.attempts) {
    const number = Number(attempt.attributes[ATTRIBUTES.attempt]);
    const worker = workerName(String(attempt.attributes[ATTRIBUTES.worker]));
    const outcome = String(attempt.attributes[ATTRIBUTES.outcome]);
    bars.push(
      barOf(attempt, { label: `attempt ${number}`, depth: 1, note: `${outcome}, ${worker}` }),
      ...taskBars(trace, attempt),
      ...cutBars(attempt, kill),
    );
  }
  return drawWaterfall(bars, width);
}

function taskBars(trace: JobTrace, attempt: ReceivedSpan): Bar[] {
  return trace.tasks
    .filter((task) => task.parentSpanId === attempt.spanId)
    .sort((a, b) => a.startUnixMs - b.startUnixMs)
    .map((task) =>
      barOf(task, {
        label: String(task.attributes[ATTRIBUTES.task]),
        depth: 2,
        note: Number(task.attributes[ATTRIBUTES.execution]) > 1 ? 'again' : '',
      }),
    );
}

/** What the killed process had in flight: it could not export a span of it, the witness knows. */
function cutBars(attempt: ReceivedSpan, kill: Kill): Bar[] {
  return kill.inFlight
    .filter(
      (task) =>
        task.jobId === attempt.attributes[ATTRIBUTES.jobId] &&
        task.attempt === Number(attempt.attributes[ATTRIBUTES.attempt]),
    )
    .map((task) => ({
      label: task.task,
      depth: 2,
      startUnixMs: task.atUnixMs,
      endUnixMs: kill.atUnixMs,
      kind: 'cut',
      note: 'killed',
    }));
}

function barOf(span: ReceivedSpan, of: Pick<Bar, 'label' | 'depth' | 'note'>): Bar {
  return { ...of, startUnixMs: span.startUnixMs, endUnixMs: span.endUnixMs, kind: 'span' };
}
