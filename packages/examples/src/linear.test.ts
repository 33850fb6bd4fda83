import { testEveryCrash, testFlow } from '@holdfast/flow/testing';
import { describe, expect, it } from 'vitest';
import { type InvoiceInput, invoice } from './linear.ts';

const input: InvoiceInput = {
  customer: 'Ada',
  positions: [
    { text: 'lamp', quantity: 2, cents: 2500 },
    { text: 'bulb', quantity: 4, cents: 199 },
  ],
};

describe('the invoice', () => {
  it('is added up, taxed and written, one after another', async () => {
    const trial = await testFlow(invoice, { input });
    expect(trial.output).toEqual({
      totalCents: 6955,
      text: 'Invoice for Ada\n2 x lamp, 25.00 each\n4 x bulb, 1.99 each\nTax 11.59\nTotal 69.55',
    });
    expect(trial.trace.lines).toEqual([
      'add-up: pending -> running',
      'add-up: running -> success',
      'add-tax: pending -> running',
      'add-tax: running -> success',
      'write: pending -> running',
      'write: running -> success',
    ]);
  });

  it('takes the percentage that it is given', async () => {
    const trial = await testFlow(invoice, { input: { ...input, taxPercent: 0 } });
    expect(trial.output.totalCents).toBe(5796);
  });

  it('is the same after a crash at any commit', async () => {
    const { uninterrupted, interrupted } = await testEveryCrash(invoice, { input });
    for (const { trial } of interrupted) expect(trial.output).toEqual(uninterrupted.output);
  });
});
