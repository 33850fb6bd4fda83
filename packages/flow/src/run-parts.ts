import type { AtomBook } from './atom-book.ts';
import type { CallOutcome } from './call-outcome.ts';
import type { CheckpointWriter } from './checkpoint-writer.ts';
import type { FlowDeadline } from './flow-deadline.ts';
import type { FlowPlan } from './flow-plan.ts';
import type { Frontier } from './frontier.ts';
import type { RemoteDesk } from './remote-desk.ts';
import type { RunEnding } from './run-ending.ts';
import type { RunGraph } from './run-graph.ts';
import type { RunOptions } from './run-options.ts';
import type { TaskRunner } from './task-runner.ts';
import type { WaitingRoom } from './waiting-room.ts';

/** What the parts of one run share. */
export interface RunParts {
  readonly plan: FlowPlan;
  readonly options: RunOptions;
  readonly graph: RunGraph;
  readonly book: AtomBook;
  readonly runner: TaskRunner;
  readonly writer: CheckpointWriter;
  readonly ending: RunEnding;
  readonly waiting: WaitingRoom;
  readonly deadline: FlowDeadline;
  readonly frontier: Frontier;
  readonly remote: RemoteDesk;
}

/** Where an atom runs: each place has room of its own, and neither waits for the other. */
export type RunPlace = 'here' | 'elsewhere';

/** A call of user code for an atom. */
export interface Launch<Value> {
  readonly index: number;
  readonly call: () => Promise<CallOutcome<Value>>;
  /** Told once, unless the run is over by then. */
  readonly ended: (outcome: CallOutcome<Value>) => void;
}
