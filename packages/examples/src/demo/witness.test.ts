import { describe, expect, it } from 'vitest';
import { parseTaskLine, type TaskLine, Witness } from './witness.ts';

function line(kind: TaskLine['kind'], of: Partial<TaskLine> = {}): TaskLine {
  return { kind, atUnixMs: 1000, pid: 1, jobId: 'j', task: 't', try: 1, attempt: 1, ...of };
}

function witnessOf(...lines: readonly TaskLine[]): Witness {
  const witness = new Witness();
  for (const each of lines) witness.record(each);
  return witness;
}

describe('the witness', () => {
  it('reads the lines it knows, and only those', () => {
    const fields = { time: 1000, pid: 1, jobId: 'j', task: 't', attempt: 1 };
    const parse = (more: object): unknown => parseTaskLine(JSON.stringify({ ...fields, ...more }));
    expect(parse({ msg: 'task started', try: 1 })).toEqual(line('started'));
    expect(parse({ msg: 'task committed', state: 'success' })).toEqual(
      line('committed', { try: 0 }),
    );
    expect(parse({ msg: 'task committed', state: 'running' })).toBeUndefined();
    expect(parse({ msg: 'something else' })).toBeUndefined();
    expect(parseTaskLine('{"msg":"task started","ti')).toBeUndefined();
    expect(parseTaskLine('not JSON')).toBeUndefined();
  });

  it('counts a repeat of a task that was in flight, and finds nothing wrong with it', () => {
    const again = { attempt: 2, pid: 2 };
    const testimony = witnessOf(line('started'), line('started', again), line('committed', again));
    expect(testimony.testify()).toEqual({
      tasks: 1,
      executions: 2,
      repeated: [{ jobId: 'j', task: 't' }],
      broken: [],
    });
  });

  it('finds a task that ran again after its commit, in whatever order the lines came', () => {
    const again = line('started', { attempt: 2, pid: 2 });
    const broken = [{ jobId: 'j', task: 't' }];
    expect(witnessOf(line('started'), line('committed'), again).testify().broken).toEqual(broken);
    expect(witnessOf(again, line('started'), line('committed')).testify().broken).toEqual(broken);
    const same = witnessOf(line('started'), line('committed'), line('started'));
    expect(same.testify().broken).toEqual(broken);
  });

  it('does not take a retry for a repeat', () => {
    const testimony = witnessOf(line('started'), line('started', { try: 2 })).testify();
    expect(testimony).toMatchObject({ tasks: 1, executions: 2, repeated: [] });
  });

  it('knows what a process has in flight', () => {
    const witness = witnessOf(
      line('started', { task: 'a' }),
      line('committed', { task: 'a' }),
      line('started', { task: 'b' }),
      line('started', { task: 'c', pid: 2 }),
    );
    expect(witness.inFlightOf(1).map((each) => each.task)).toEqual(['b']);
    expect(witness.hasCommitted(1, 'j')).toBe(true);
    expect(witness.hasCommitted(2, 'j')).toBe(false);
    expect(witness.committedOf('j')).toBe(1);
    expect(witness.jobsStarted).toBe(1);
    expect([witness.jobsDone(1), witness.jobsDone(2)]).toEqual([1, 0]);
  });
});
