/** One figure of a bench. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: '/s' | 'ms' | 's' | '%';
  /** As a share of what the store alone can do in the same run, where that can be compared. */
  readonly ofRaw?: number | undefined;
}

/** The p-th percentile (0 to 1) of samples; throws for none. */
export function percentile(samples: readonly number[], p: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];
  if (value === undefined) throw new Error('no samples');
  return value;
}

/** Median, 95th and 99th percentile of samples in milliseconds. */
export function latencyFigures(name: string, samples: readonly number[]): readonly Figure[] {
  return [0.5, 0.95, 0.99].map((p) => ({
    name: `${name}, p${p * 100}`,
    value: percentile(samples, p),
    unit: 'ms',
  }));
}
