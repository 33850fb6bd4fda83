import { expect } from 'vitest';

/** The text fits in a terminal of 80 columns, and does nothing to it but show characters. */
export function expectToFit(text: string): void {
  for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  expect(text).not.toMatch(/(?!\n)\p{Cc}/u);
}
