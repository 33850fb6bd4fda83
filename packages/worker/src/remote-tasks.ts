// The tasks of one attempt's flow that run elsewhere: posts a job for each, and waits for its end.
//
// It owns who waits for which task job, and when their states are read. It doesn't own the task jobs: each
// has its own claims and its own fence, and runs on when this attempt is over.
//
// A message in the worker's inbox says only that some have ended. Which, and how, is read from the board,
// so that messages may come twice, late, or many at once.
//
// Invariants:
//   T1. A task job is posted under this attempt's fence, in one commit with the record of its task, and
//       once for each try: whoever asks again is led to the same one.
//   T2. No end is missed. The states of task jobs are read after the count of ends that the job was told
//       of, and `taskEndsSeen` is the lowest such count over all that are waited for. The board lets no
//       attempt come to wait which has seen fewer ends than the job was told of.
//   T3. An end that was handed to the flow is waited for no more, whether or not the flow still takes it.
//       So a run that says that it waits for more than `waiting` has missed one, and may not come to wait.
//   T4. At most one read is under way, and at most one more is to follow it. Once the run is over, nothing
//       is posted, handed to the flow or cancelled any more, and what T2 and T3 say stands still.
import type { Claim, Member, PostedTaskJob, TaskJobState } from '@holdfast/board';
import {
  type AtomRecord,
  type Failure,
  fromUnknown,
  isFinal,
  type JobId,
  type Logger,
  PayloadTooLargeError,
  toFailure,
} from '@holdfast/core';
import { isRemoteEnd, type RemoteCall, type RemoteEnd, type RemoteTasks } from '@holdfast/flow';
import { goneOn } from './gone-on.ts';
import type { Patience } from './patience.ts';

export interface AttemptRemoteTasksParts {
  readonly member: Member;
  readonly claim: Claim;
  readonly patience: Patience;
  readonly logger: Logger;
  /** Aborts when this worker is no member any more. */
  readonly lost: AbortSignal;
}

/** A task that runs elsewhere. */
interface RunningElsewhere {
  readonly id: JobId;
  /** The name of its record. */
  readonly task: string;
  readonly intention: RemoteCall['intention'];
  /** How many ends the job had been told of when the state was read last: T2. */
  endsSeen: number;
  /** Called after each read that has found it running, or on its way. */
  readonly found: () => void;
  readonly ended: (ended: Ended) => void;
}

interface Ended {
  readonly end: RemoteEnd;
  /** It was cancelled because its job was over, which it is no more. */
  readonly wasOrphaned: boolean;
}

type CallOptions = Parameters<RemoteTasks['run']>[1];

/** See the head of this file. */
export class AttemptRemoteTasks implements RemoteTasks {
  readonly #parts: AttemptRemoteTasksParts;
  readonly #running = new Set<RunningElsewhere>();
  readonly #cancelling = new Set<Promise<void>>();
  readonly #over = new AbortController();
  readonly #stop: AbortSignal;
  /** Ends that the job was told of by now, as far as is known. */
  #endsTold: number;
  #reading: Promise<void> | undefined;
  #isAskedAgain = false;

  constructor(parts: AttemptRemoteTasksParts) {
    this.#parts = parts;
    this.#endsTold = parts.claim.control?.taskEnds ?? 0;
    this.#stop = AbortSignal.any([this.#over.signal, parts.lost]);
  }

  /** How many tasks are waited for: T3. */
  get waiting(): number {
    return this.#running.size;
  }

  /** How many of the ends that the job was told of are surely known to the flow: T2. */
  get taskEndsSeen(): number {
    return Math.min(this.#endsTold, ...[...this.#running].map(({ endsSeen }) => endsSeen));
  }

  /** Tells how many ends the job has been told of by now. */
  told(taskEnds: number): void {
    if (taskEnds <= this.#endsTold) return;
    this.#endsTold = taskEnds;
    if (this.#running.size > 0) this.#look();
  }

  async run(call: RemoteCall, options: CallOptions): Promise<RemoteEnd> {
    const { cancel } = options;
    let wanted = call;
    let stopped: AtomRecord | undefined;
    for (let isAgain = false; ; isAgain = true) {
      // What was never posted need not be, only to be cancelled.
      if (cancel.aborted && wanted.atom.taskJob === undefined) {
        return { kind: 'cancelled', atom: stopped };
      }
      const endsSeen = this.#endsTold;
      let posted: PostedTaskJob;
      try {
        // One that is only to be stopped is never posted anew, and any other as what was cancelled left it.
        posted = await this.#post(wanted, isAgain && !cancel.aborted);
      } catch (error) {
        if (error instanceof PayloadTooLargeError) return tooLarge(error, wanted.atom);
        throw error;
      }
      const ended = await this.#untilEnded(wanted, { options, posted, endsSeen });
      const { end, wasOrphaned } = ended;
      const isForeign = (posted.isStopping || wasOrphaned) && !cancel.aborted;
      if (end.kind !== 'cancelled' || !isForeign)
        return counted(end, isAgain ? wanted.atom : undefined);
      // It was told to stop for a reason that is over: by an earlier attempt, or before a revival.
      stopped = end.atom ?? stopped;
      wanted = { ...call, atom: goneOn(wanted.atom, end.atom) };
    }
  }

  /** The run is over: T4. */
  close(): void {
    this.#over.abort('over'); // A reason, because without one each abort would make an exception.
  }

  /** Resolves once nothing is under way any more. Call it when the attempt is over. */
  async settled(): Promise<void> {
    this.close();
    await Promise.all([this.#reading, ...this.#cancelling]);
  }

  /** T1. Rejects like a checkpoint does. */
  async #post(call: RemoteCall, replaceCancelled: boolean): Promise<PostedTaskJob> {
    const { member, claim } = this.#parts;
    const task = { ...call, replaceCancelled };
    return await this.#keepTrying('post a task job', () => member.postTaskJob(claim, task));
  }

  async #untilEnded(
    { atom, intention }: RemoteCall,
    {
      options,
      posted,
      endsSeen,
    }: {
      readonly options: CallOptions;
      readonly posted: PostedTaskJob;
      readonly endsSeen: number;
    },
  ): Promise<Ended> {
    const { id } = posted;
    const { cancel } = options;
    const { promise, resolve: ended } = Promise.withResolvers<Ended>();
    const found = (): void => options.posted(id);
    this.#running.add({ id, task: atom.name, intention, endsSeen, found, ended });
    // One that was there before may have ended long ago; so may a new one, where the job was told since.
    if (!posted.created || this.#endsTold > endsSeen) this.#look();
    else found();
    const stop = (): void => this.#cancel(id);
    if (cancel.aborted) stop();
    else cancel.addEventListener('abort', stop, { once: true });
    try {
      return await promise;
    } finally {
      cancel.removeEventListener('abort', stop);
    }
  }

  #look(): void {
    if (this.#reading) this.#isAskedAgain = true;
    else this.#reading = this.#readAll();
  }

  /** T4. Never rejects. */
  async #readAll(): Promise<void> {
    do {
      this.#isAskedAgain = false;
      try {
        await this.#keepTrying('read the ends of remote tasks', () => this.#read());
      } catch (error) {
        // A run that is over waits for nothing; any other has not seen what it was told of (T2).
        if (!this.#stop.aborted) this.#report(error, 'the ends of remote tasks cannot be read');
      }
    } while (this.#isAskedAgain && !this.#stop.aborted);
    this.#reading = undefined;
  }

  async #read(): Promise<void> {
    const asked = [...this.#running];
    const endsSeen = this.#endsTold;
    const states = await this.#parts.member.readTaskJobs(asked);
    if (this.#stop.aborted) return; // T4
    for (const [index, running] of asked.entries()) {
      const state = states[index];
      const end = state && endOf(state, running);
      if (end) {
        this.#running.delete(running); // T3
        running.ended({ end, wasOrphaned: state.wasOrphaned === true });
      } else {
        running.endsSeen = endsSeen; // T2
        running.found();
      }
    }
  }

  #cancel(id: JobId): void {
    if (this.#stop.aborted) return;
    const cancelling = this.#cancelOnce(id).finally(() => this.#cancelling.delete(cancelling));
    this.#cancelling.add(cancelling);
  }

  /** Never rejects. */
  async #cancelOnce(id: JobId): Promise<void> {
    const { member } = this.#parts;
    const reason = 'its job is being cancelled';
    try {
      await this.#keepTrying('cancel a remote task', () => member.cancelTaskJob(id, { reason }));
    } catch (error) {
      // It runs on then, and is waited for.
      if (!this.#stop.aborted) this.#report(error, 'a remote task cannot be cancelled');
    }
    if (!this.#stop.aborted) this.#look(); // What nobody ran has ended by this.
  }

  #report(thrown: unknown, message: string): void {
    const { code, message: error } = fromUnknown(thrown);
    this.#parts.logger.error({ code, error }, message);
  }

  async #keepTrying<T>(what: string, call: () => Promise<T>): Promise<T> {
    return await this.#parts.patience.keepTrying(call, { signal: this.#stop, what });
  }
}

/** How a task ended by its task job; undefined while that is not final. */
function endOf(
  { id, state, failure, atom }: TaskJobState,
  { task, intention }: RunningElsewhere,
): RemoteEnd | undefined {
  if (state === 'missing') {
    const message = `task job ${id} of task ${task} is not on the board any more`;
    return { kind: 'failed', failure: toFailure(new Error(message), task) };
  }
  if (!isFinal(state)) return undefined;
  // What the record says counts, also where a cancel came too late for it.
  if (atom && isRemoteEnd(intention, atom)) return { kind: 'ended', atom };
  if (state === 'cancelled') return { kind: 'cancelled', atom };
  return { kind: 'failed', failure: failure ?? endless(id, task), atom };
}

function endless(id: JobId, task: string): Failure {
  return toFailure(new Error(`task job ${id} of task ${task} ended without saying how`), task);
}

/** What its job has no room for can't be run elsewhere. It fails by itself, and its flow goes on from that. */
function tooLarge({ message }: PayloadTooLargeError, { name }: AtomRecord): RemoteEnd {
  const error = new Error(`task ${name} can't be sent elsewhere with what it needs: ${message}`);
  return { kind: 'failed', failure: toFailure(error, name) };
}

/** So that the number of a try which was posted anew is used up, also where the task job has written no record. */
function counted(end: RemoteEnd, posted: AtomRecord | undefined): RemoteEnd {
  return end.kind === 'ended' || end.atom ? end : { ...end, atom: posted };
}
