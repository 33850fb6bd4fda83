// Signals: messages to a job from outside. Each is stored with the job under the next number, and
// counted in its control, in one commit. Since every end of an attempt guards on the control, none
// comes unseen between the last look of an attempt and its end.
//
// Invariants:
//   S1. The signals of a job are numbered from 1 without a gap, in the order of their commits, and the
//       control says how many there are: a commit that adds one guards on the control (W1) and writes
//       it.
//   S2. A signal to a waiting job makes it ready in the same commit. One to a running job leaves a
//       message for its worker (W3). One to a ready job refuses claims that have not seen it (W2).
//   S3. An idempotency key leads to at most one signal of a job, with the same name and payload: it is
//       looked up after the control was read, so the guard on that refuses a second one.
import type { Write } from '@holdfast/coord';
import {
  AlreadyExistsError,
  FailedPreconditionError,
  HoldfastError,
  isFinal,
  type JobId,
  type JobSignal,
  type JobStatus,
  LIMITS,
  type Payload,
} from '@holdfast/core';
import { decodeJobSignal, encodeJobSignal } from '@holdfast/wire';
import {
  commitDecision,
  controlOf,
  controlWrite,
  decideOnJob,
  type JobDecisionParts,
  refuseTaskJob,
  wakeUp,
} from './job-decision.ts';
import type { JobRecords } from './job-reader.ts';
import { signalIndexKey, signalKey } from './keys.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A signal as it is sent: validated. */
export interface NewSignal {
  readonly name: string;
  readonly payload: Payload;
  /** Unique among the signals of the job. */
  readonly idempotencyKey?: string | undefined;
}

/** What became of a signal. */
export interface SignalResult {
  /** Its number among the signals of the job, from 1. */
  readonly seq: number;
  /** False when the idempotency key had been used for the same signal before. */
  readonly created: boolean;
  /** The job after the request. */
  readonly status: JobStatus;
}

/** Sends a signal to a job; see `Board.signal`. */
export async function signalJob(
  parts: JobDecisionParts,
  id: JobId,
  signal: NewSignal,
): Promise<SignalResult> {
  return await decideOnJob(parts, id, async (job) => {
    refuseTaskJob(job, 'signal');
    // Before its state: by now the job may have ended because of this very signal.
    const earlier = await findEarlier(parts, job, signal);
    if (earlier !== undefined) return { seq: earlier, created: false, status: job.status };
    refuse(job, signal);
    const seq = controlOf(job).signals + 1;
    const { after, placement, write } = await wakeUp(parts, job);
    const status = await commitDecision(parts, job, {
      after,
      placement,
      write: [...write, ...signalWrites(parts, job, { ...signal, seq })],
    });
    return status && { seq, created: true, status };
  });
}

/** S3. The number of the signal that the idempotency key leads to; undefined when there is none. */
async function findEarlier(
  { coord }: JobDecisionParts,
  { spec: { id } }: JobRecords,
  signal: NewSignal,
): Promise<number | undefined> {
  if (signal.idempotencyKey === undefined) return undefined;
  const indexKey = signalIndexKey(id, signal.idempotencyKey);
  const index = (await coord.get([indexKey])).get(indexKey);
  if (!index) return undefined;
  const seq = Number(decoder.decode(index.value));
  const key = signalKey(id, seq);
  const stored = (await coord.get([key])).get(key);
  // Where it is gone, retention has just removed the job, as the next call finds.
  const known = stored && decodeJobSignal(stored.value, key);
  if (!known || isSame(known, signal)) return seq;
  throw new AlreadyExistsError(
    `idempotency key ${JSON.stringify(signal.idempotencyKey)} belongs to signal ${seq} of job ${id}, ` +
      'which has another name or payload; nothing was changed. Use another key, or send the same signal',
    { ids: { jobId: id } },
  );
}

function isSame(known: JobSignal, { name, payload }: NewSignal): boolean {
  return (
    known.name === name &&
    known.payload.contentType === payload.contentType &&
    Buffer.compare(known.payload.data, payload.data) === 0
  );
}

function refuse(job: JobRecords, { payload }: NewSignal): void {
  const { id, phase } = job.status;
  const ids = { jobId: id };
  if (isFinal(phase.kind)) {
    throw new FailedPreconditionError(
      `job ${id} is ${phase.kind} already and takes no more signals`,
      { ids },
    );
  }
  const { signals, signalBytes } = controlOf(job);
  const isFull =
    signals >= LIMITS.signalsPerJob || signalBytes + payload.data.length > LIMITS.signalBytesPerJob;
  if (!isFull) return;
  throw new HoldfastError(
    'RESOURCE_EXHAUSTED',
    `job ${id} has received ${signals} signals of ${signalBytes} bytes; it takes ` +
      `${LIMITS.signalsPerJob} signals of ${LIMITS.signalBytesPerJob} bytes in all, so post another job`,
    { ids },
  );
}

/** S1. */
function signalWrites(
  { clock }: JobDecisionParts,
  job: JobRecords,
  signal: NewSignal & { readonly seq: number },
): readonly Write[] {
  const { id } = job.spec;
  const { seq, name, payload, idempotencyKey } = signal;
  const record: JobSignal = { seq, name, payload, atUnixMs: clock.nowUnixMs() };
  const signalBytes = controlOf(job).signalBytes + payload.data.length;
  const writes: Write[] = [
    { kind: 'put', key: signalKey(id, seq), value: encodeJobSignal(record) },
    controlWrite(job, id, { signals: seq, signalBytes }),
  ];
  if (idempotencyKey !== undefined) {
    const key = signalIndexKey(id, idempotencyKey);
    writes.push({ kind: 'put', key, value: encoder.encode(String(seq)) });
  }
  return writes;
}
