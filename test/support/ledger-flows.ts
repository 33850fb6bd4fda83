// Flows whose tasks write what they do into an outside ledger: a file of lines, each appended in one
// write. It is the witness of the system tests, and independent of the board.
//
// A task writes a `start` line, waits while its gate file is missing (where it was given one), and
// writes an `effect` line. What the ledger holds after a test is judged by ledger.ts.
import { access, appendFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type Flow, flow, linear, type TaskContext, task, waitFor } from '@holdfast/flow';
import { z } from 'zod';
import { type CallRecord, callRecord } from './call-record.ts';

const GATE_POLL_MS = 10;

const input = {
  ledger: z.string(),
  /** The middle task waits until this file exists; empty = it doesn't wait. */
  gate: z.string(),
  /** How long each task works, in milliseconds. */
  workMs: z.number().default(0),
};

/** One line of the ledger. */
export interface LedgerLine extends CallRecord {
  readonly what: 'start' | 'effect';
  readonly atUnixMs: number;
}

interface LedgerInput {
  readonly ledger: string;
  readonly gate: string;
  readonly workMs?: number | undefined;
}

async function note(path: string, what: LedgerLine['what'], ctx: TaskContext): Promise<void> {
  const line: LedgerLine = { what, ...callRecord(ctx), atUnixMs: Date.now() };
  await appendFile(path, `${JSON.stringify(line)}\n`);
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/** Waits for the gate; a task that is told to stop, stops. */
async function passGate(gate: string, signal: AbortSignal): Promise<void> {
  while (gate !== '' && !(await exists(gate))) {
    signal.throwIfAborted();
    await delay(GATE_POLL_MS);
  }
}

async function step({ ledger, gate, workMs }: LedgerInput, ctx: TaskContext): Promise<void> {
  await note(ledger, 'start', ctx);
  await passGate(gate, ctx.signal);
  await delay(workMs, undefined, { signal: ctx.signal });
  await note(ledger, 'effect', ctx);
}

const one = task({
  name: 'one',
  requires: { ledger: input.ledger, workMs: input.workMs },
  provides: { first: z.number() },
  async execute({ ledger, workMs }, ctx) {
    await step({ ledger, workMs, gate: '' }, ctx);
    return { first: 1 };
  },
});

const two = task({
  name: 'two',
  requires: { ...input, first: z.number() },
  provides: { second: z.number() },
  async execute({ ledger, gate, workMs, first }, ctx) {
    await step({ ledger, gate, workMs }, ctx);
    return { second: first + 1 };
  },
});

const three = task({
  name: 'three',
  requires: { ledger: input.ledger, workMs: input.workMs, second: z.number() },
  provides: { third: z.number() },
  async execute({ ledger, workMs, second }, ctx) {
    await step({ ledger, workMs, gate: '' }, ctx);
    return { third: second + 1 };
  },
});

/** Three tasks in a row; the second may be held by a gate. */
export const ledgerSteps: Flow<LedgerInput, { first: number; second: number; third: number }> =
  flow({
    name: 'ledger-steps',
    input: z.object(input),
    body: linear('steps', one, two, three),
  });

/** Ignores its signal on purpose: it goes on when the gate opens, however late that is. */
export const ledgerDeaf: Flow<LedgerInput, { done: boolean }> = flow({
  name: 'ledger-deaf',
  input: z.object(input),
  body: task({
    name: 'deaf',
    requires: { ledger: input.ledger, gate: input.gate },
    provides: { done: z.boolean() },
    async execute({ ledger, gate }, ctx) {
      await note(ledger, 'start', ctx);
      await passGate(gate, new AbortController().signal);
      await note(ledger, 'effect', ctx);
      return { done: true };
    },
  }),
});

/** Kills the process that runs it. */
export const poison: Flow<object, object> = flow({
  name: 'poison',
  body: task({
    name: 'bite',
    execute: () => {
      process.kill(process.pid, 'SIGKILL');
    },
  }),
});

/** Waits for a signal between its two tasks. */
export const ledgerApproval: Flow<LedgerInput, { first: number; second: number }> = flow({
  name: 'ledger-approval',
  input: z.object(input),
  body: linear('steps', one, waitFor('decision', { event: 'approved' }), two),
});
