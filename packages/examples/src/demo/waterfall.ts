/** A bar of a waterfall. */
export interface Bar {
  readonly label: string;
  /** Levels that it is indented by. */
  readonly depth: number;
  readonly startUnixMs: number;
  readonly endUnixMs: number;
  /** `cut` for what was in flight when its process was killed: nobody knows how far it came. */
  readonly kind: 'span' | 'cut';
  /** What stands after the duration, such as how it ended. */
  readonly note: string;
}

const LABEL_WIDTH = 26;
const TAIL_WIDTH = 24;
const MIN_SCALE_WIDTH = 10;

/** Draws bars over one scale of time, from the first start to the last end; one line each. */
export function drawWaterfall(bars: readonly Bar[], width: number): readonly string[] {
  const start = Math.min(...bars.map((bar) => bar.startUnixMs));
  const end = Math.max(...bars.map((bar) => bar.endUnixMs));
  const scaleWidth = Math.max(MIN_SCALE_WIDTH, width - LABEL_WIDTH - TAIL_WIDTH - 2);
  const column = (atUnixMs: number): number =>
    Math.round(((atUnixMs - start) / Math.max(1, end - start)) * scaleWidth);
  return bars.map((bar) => {
    const from = Math.min(column(bar.startUnixMs), scaleWidth - 1);
    // What took no time at all on this scale is still seen.
    const length = Math.max(1, column(bar.endUnixMs) - from);
    const fill = (bar.kind === 'cut' ? '░' : '█').repeat(length);
    const scale = (' '.repeat(from) + fill).padEnd(scaleWidth);
    return `${labelOf(bar)} ${scale} ${tailOf(bar)}`.trimEnd();
  });
}

function labelOf(bar: Bar): string {
  const label = '  '.repeat(bar.depth) + bar.label;
  return label.length > LABEL_WIDTH
    ? `${label.slice(0, LABEL_WIDTH - 1)}…`
    : label.padEnd(LABEL_WIDTH);
}

function tailOf(bar: Bar): string {
  const took = `${Math.max(0, Math.round(bar.endUnixMs - bar.startUnixMs))} ms`;
  return `${took.padStart(8)} ${bar.note}`;
}
