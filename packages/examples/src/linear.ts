import { type Flow, flow, linear, task } from '@holdfast/flow';
import { z } from 'zod';

/** What is to be invoiced. */
export interface InvoiceInput {
  readonly customer: string;
  readonly positions: readonly { text: string; quantity: number; cents: number }[];
  /** Default: 20. */
  readonly taxPercent?: number | undefined;
}

/** The invoice. */
export interface InvoiceOutput {
  readonly totalCents: number;
  readonly text: string;
}

const customer = z.string().min(1);
const cents = z.int().nonnegative();
const position = z.object({ text: z.string().min(1), quantity: z.int().positive(), cents });
const positions = z.array(position).min(1).readonly();

const addUp = task({
  name: 'add-up',
  requires: { positions },
  provides: { netCents: cents },
  execute: (values) => ({
    netCents: values.positions.reduce((sum, each) => sum + each.quantity * each.cents, 0),
  }),
});

const addTax = task({
  name: 'add-tax',
  // Whoever posts may leave the percentage out: the default stands here, where it is used.
  requires: { netCents: cents, taxPercent: z.number().min(0).max(100).default(20) },
  provides: { taxCents: cents, totalCents: cents },
  execute: ({ netCents, taxPercent }) => {
    const taxCents = Math.round((netCents * taxPercent) / 100);
    return { taxCents, totalCents: netCents + taxCents };
  },
});

const write = task({
  name: 'write',
  requires: { customer, positions, taxCents: cents, totalCents: cents },
  provides: { text: z.string() },
  execute: (values) => ({
    text: [
      `Invoice for ${values.customer}`,
      ...values.positions.map(
        (each) => `${each.quantity} x ${each.text}, ${money(each.cents)} each`,
      ),
      `Tax ${money(values.taxCents)}`,
      `Total ${money(values.totalCents)}`,
    ].join('\n'),
  }),
});

/** One step after another: each is checkpointed, and each sees what those before it provided. */
export const invoice: Flow<InvoiceInput, InvoiceOutput> = flow({
  name: 'invoice',
  description: 'Adds up, adds tax, and writes the invoice',
  input: z.object({ customer, positions, taxPercent: z.number().optional() }),
  body: linear('invoice', addUp, addTax, write),
  output: ['totalCents', 'text'],
});

function money(amount: number): string {
  return (amount / 100).toFixed(2);
}
