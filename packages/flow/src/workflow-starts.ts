// Starts what a durable function asks for and nobody has done yet: steps as far as there is room,
// sleeps and waits at once; and says what a failed try of a step leads to.
import { type AtomRecord, assert, type Payload, type RetryPolicy } from '@holdfast/core';
import { type CallOutcome, type FailedCall, retryDelayMs } from './call-outcome.ts';
import type { CheckpointWriter } from './checkpoint-writer.ts';
import { mergeRetry } from './retry-options.ts';
import {
  CHECKPOINT_RECORDS_MAX,
  DEFAULT_TASK_CONCURRENCY,
  type RunOptions,
} from './run-options.ts';
import { failedTry } from './run-words.ts';
import type { WaitingRoom } from './waiting-room.ts';
import type { WorkflowAsks } from './workflow-asks.ts';
import { hasBegun, hasFinished, type WorkflowBook } from './workflow-book.ts';
import type { WorkflowPauses } from './workflow-pauses.ts';
import type { Ask, StepSpec } from './workflow-spec.ts';
import type { WorkflowSteps } from './workflow-steps.ts';

export interface WorkflowStartsParts {
  readonly options: RunOptions;
  /** The policy of steps that have none of their own. */
  readonly retry: RetryPolicy;
  readonly book: WorkflowBook;
  readonly asks: WorkflowAsks;
  readonly steps: WorkflowSteps;
  readonly pauses: WorkflowPauses;
  readonly writer: CheckpointWriter;
  readonly waiting: WaitingRoom;
  /** Counts the call among those that run, and tells of its end unless the run is over by then. */
  readonly launch: (
    call: Promise<CallOutcome<Payload>>,
    ended: (outcome: CallOutcome<Payload>) => void,
  ) => void;
  /** How many calls run. */
  readonly running: () => number;
  /** It has ended for good, and that was put to be written. */
  readonly ended: (name: string) => void;
}

/** See the head of this file. */
export class WorkflowStarts {
  readonly #parts: WorkflowStartsParts;
  /** Asked for, not started in this run, and not known to have ended. */
  #fresh: Ask[] = [];
  /** Steps to be started. */
  #queue: Ask[] = [];
  #isClosed = false;

  constructor(parts: WorkflowStartsParts) {
    this.#parts = parts;
  }

  /** The function asks for it. */
  asked(ask: Ask): void {
    if (!hasFinished(this.#parts.book.get(ask.name))) this.#fresh.push(ask);
  }

  /** The first that was asked for and isn't recorded. */
  get firstNew(): string | undefined {
    return this.#fresh.find(({ name }) => !hasBegun(this.#parts.book.get(name)))?.name;
  }

  /** Starts what can be started now. */
  advance(): void {
    const { asks, pauses, waiting } = this.#parts;
    for (const ask of this.#fresh.splice(0)) this.#start(ask);
    pauses.match();
    for (const index of waiting.takeDue()) {
      const ask = asks.at(index);
      assert(ask, `the function has asked ${index} times`);
      if (ask.spec.kind === 'step') this.#queue.push(ask);
      else pauses.due(ask, ask.spec);
    }
    this.#fill();
  }

  /** The failure before a further try is durable, so the try may come. */
  committed({ name, state, nextAtUnixMs }: AtomRecord): void {
    const ask = this.#parts.asks.find(name);
    if (!ask || this.#isClosed || state !== 'pending' || nextAtUnixMs === undefined) return;
    this.#parts.waiting.add(ask.index, nextAtUnixMs);
  }

  /** The function has ended: nothing starts any more, and no try is followed by another. */
  close(): void {
    const { asks, pauses, waiting } = this.#parts;
    this.#isClosed = true;
    this.#fresh = [];
    this.#queue = [];
    pauses.close();
    waiting.remove(asks.all.map(({ index }) => index));
    waiting.disarm();
  }

  /** What was asked for begins, or goes on where it was cut off. */
  #start(ask: Ask): void {
    const { book, pauses, waiting } = this.#parts;
    const { spec, name, index } = ask;
    if (spec.kind !== 'step') return pauses.start(ask, spec);
    const { nextAtUnixMs, state } = book.get(name);
    if (state === 'pending' && nextAtUnixMs !== undefined) waiting.add(index, nextAtUnixMs);
    else this.#queue.push(ask);
  }

  #fill(): void {
    const { options, writer, running, steps, launch } = this.#parts;
    const { concurrency = DEFAULT_TASK_CONCURRENCY } = options;
    while (running() < concurrency && writer.waiting < CHECKPOINT_RECORDS_MAX) {
      const ask = this.#queue.shift();
      if (!ask) return;
      const { name, spec } = ask;
      assert(spec.kind === 'step', `${name} is a step`);
      launch(steps.execute(name, spec), (outcome) => this.#executed(name, spec, outcome));
    }
  }

  #executed(name: string, step: StepSpec, outcome: CallOutcome<Payload>): void {
    if (outcome.kind === 'interrupted') return;
    if (outcome.kind === 'failure') return this.#failed(name, step, outcome);
    this.#parts.book.succeed(name, outcome.value);
    this.#parts.ended(name);
  }

  #failed(name: string, step: StepSpec, outcome: FailedCall): void {
    const { options, book, retry, ended } = this.#parts;
    const { clock, logger, random } = options;
    const { tries, forgivenTries } = book.get(name);
    const isFinal = outcome.isFinal || this.#isClosed;
    const failed = { ...outcome, isFinal, counted: tries - forgivenTries };
    const delayMs = retryDelayMs(failed, mergeRetry(step.retry, retry), random);
    const fields = failedTry(book.get(name), outcome.thrown);
    if (delayMs === undefined) {
      book.fail(name, outcome.thrown);
      ended(name);
      return logger.warn(fields, 'a step failed for good');
    }
    book.retryLater(name, outcome.thrown, clock.nowUnixMs() + delayMs);
    logger.warn({ ...fields, delayMs }, 'a step failed; it is tried again');
  }
}
