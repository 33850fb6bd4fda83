import { type AtomRecord, pendingAtom, VirtualClock } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { CheckpointWriter } from './checkpoint-writer.ts';

/** A writer whose port does what the test says. */
function writerOf(checkpoint: (atoms: readonly AtomRecord[]) => Promise<void>): {
  readonly writer: CheckpointWriter;
  readonly events: string[];
} {
  const events: string[] = [];
  const writer = new CheckpointWriter({
    clock: new VirtualClock(),
    checkpoint,
    committed: (atoms) => events.push(`committed ${atoms.map(({ name }) => name).join(' ')}`),
    refused: (error) => events.push(`refused: ${String(error)}`),
  });
  return { writer, events };
}

describe('a checkpoint writer', () => {
  test('is not settled while its port is being called, and does not call it again', async () => {
    const seen: string[] = [];
    const { writer, events } = writerOf(async (atoms) => {
      seen.push(`${atoms.length} ${writer.isSettled}`);
      writer.kick();
      await Promise.resolve();
    });
    writer.put(pendingAtom('a'), 'now');
    await writer.flush();
    expect(seen).toEqual(['1 false']);
    expect(events).toEqual(['committed a']);
    expect(writer.isSettled).toBe(true);
  });

  test('writes nothing more once its port has thrown, be it at once', async () => {
    let calls = 0;
    const { writer, events } = writerOf(() => {
      calls += 1;
      throw new Error('no');
    });
    writer.put(pendingAtom('a'), 'now');
    await writer.flush();
    writer.put(pendingAtom('b'), 'now');
    await writer.flush();
    expect(calls).toBe(1);
    expect(events).toEqual(['refused: Error: no']);
    expect(writer.close().map(({ name }) => name)).toEqual(['b']);
  });

  test('tells by a mark whether all that was put before it is written, whatever came after it', async () => {
    const port = Promise.withResolvers<void>();
    const { writer } = writerOf(() => port.promise);
    writer.put(pendingAtom('a'), 'now');
    const { mark } = writer;
    // In the place of the record that was put before the mark.
    writer.put(pendingAtom('a'), 'now');
    expect(writer.isWritten(mark)).toBe(false);
    const flushed = writer.flush();
    writer.put(pendingAtom('b'), 'now');
    expect(writer.isWritten(mark)).toBe(false);
    port.resolve();
    await flushed;
    expect([writer.isWritten(mark), writer.isWritten(writer.mark)]).toEqual([true, false]);
  });

  test('sends at once what was not urgent when somebody waits for it', async () => {
    const { writer, events } = writerOf(() => Promise.resolve());
    writer.put(pendingAtom('a'), 'eventually');
    writer.hurry();
    writer.kick();
    await writer.idle();
    expect(events).toEqual(['committed a']);
  });
});
