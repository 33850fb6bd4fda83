import {
  type AtomRecord,
  createSeededRandom,
  decodeJson,
  encodeJson,
  type LogFields,
  type Logger,
  VirtualClock,
} from '@holdfast/core';
import { type RunResult, runFlow, type Signal } from '@holdfast/flow';
import { beforeEach, describe, expect, it } from 'vitest';
import { type OrderInput, order } from './durable-function.ts';

let clock: VirtualClock;
let records: Map<string, AtomRecord>;
let signals: Signal[];
let lines: string[];

beforeEach(() => {
  clock = new VirtualClock();
  records = new Map();
  signals = [];
  lines = [];
});

const write = (_fields: LogFields, message: string): void => void lines.push(message);
const ignore = (): void => undefined;
const logger: Logger = {
  debug: ignore,
  info: write,
  warn: ignore,
  error: ignore,
  child: () => logger,
};

/** One attempt of the job, by a worker that knows of earlier ones only what they recorded. */
async function run(input: OrderInput): Promise<RunResult> {
  const result = await runFlow({
    flow: order,
    input: encodeJson(input),
    identity: { jobId: 'j', attempt: 1, worker: 'w', fence: 1n },
    atoms: [...records.values()],
    checkpoint: (atoms) => {
      for (const atom of atoms) records.set(atom.name, atom);
      return Promise.resolve();
    },
    signal: new AbortController().signal,
    signals: { received: () => signals, onArrival: () => ignore },
    clock,
    random: createSeededRandom(1),
    logger,
  });
  for (const atom of result.uncommitted) records.set(atom.name, atom);
  return result;
}

function outputOf(result: RunResult): unknown {
  return result.kind === 'succeeded' ? decodeJson(result.output) : result;
}

describe('the order', () => {
  it('ships what is cheap after a day, which no worker waits for', async () => {
    expect(await run({ item: 'pen', cents: 200 })).toMatchObject({
      kind: 'waiting',
      untilUnixMs: clock.nowUnixMs() + 86_400_000,
    });
    await clock.advance(86_400_000);
    expect(outputOf(await run({ item: 'pen', cents: 200 }))).toEqual({
      parcel: 'parcel of j/ship/1',
      approvedBy: 'nobody',
    });
    expect(lines).toEqual(['reserved', 'charged', 'shipped']);
  });

  it('waits for the approval of what is expensive', async () => {
    const lamp = { item: 'lamp', cents: 250_00 };
    expect(await run(lamp)).toMatchObject({ kind: 'waiting', waitsForSignal: true });
    signals.push({ seq: 1, name: 'approve', payload: encodeJson({ by: 'Ada' }), atUnixMs: 0 });
    expect(await run(lamp)).toMatchObject({ kind: 'waiting', waitsForSignal: false });
    await clock.advance(86_400_000);
    expect(outputOf(await run(lamp))).toEqual({ parcel: 'parcel of j/ship/1', approvedBy: 'Ada' });
  });

  it('pays back and puts back when nobody approves within a week', async () => {
    const lamp = { item: 'lamp', cents: 250_00 };
    await run(lamp);
    await clock.advance(7 * 86_400_000);
    expect(await run(lamp)).toMatchObject({
      kind: 'failed',
      failure: { type: 'WaitTimedOutError', task: 'approval' },
    });
    expect(lines).toEqual(['reserved', 'charged', 'paid back', 'put back']);
  });
});
