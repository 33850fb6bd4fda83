// What the checker has to know of the flows in chaos-flows.ts, without running them.

/** How a flow ends when nobody cancels it, and what it consists of. */
export interface FlowFacts {
  readonly ends: 'succeeded' | 'failed';
  /** What tells the outside ledger of its effect when the flow succeeds; of a map, each item. */
  readonly tasks: readonly string[];
  /** Tasks that tell the ledger when they are reverted, and may run again after that, under another try. */
  readonly reverted?: readonly string[];
  /** Whether something of it runs all the time, where its holder does: only then can takeovers be timed. */
  readonly isSteady: boolean;
}

/** By the name of the flow. */
export const FLOW_FACTS: Readonly<Record<string, FlowFacts>> = {
  'chaos-one': { ends: 'succeeded', tasks: ['only'], isSteady: true },
  'chaos-steps': { ends: 'succeeded', tasks: ['first', 'second', 'third'], isSteady: true },
  'chaos-fan': { ends: 'succeeded', tasks: ['north', 'east', 'south'], isSteady: true },
  'chaos-flaky': { ends: 'succeeded', tasks: ['flaky'], isSteady: true },
  'chaos-saga': {
    ends: 'failed',
    tasks: ['book', 'charge'],
    reverted: ['book'],
    isSteady: true,
  },
  'chaos-rounds': {
    ends: 'succeeded',
    tasks: ['prepare', 'stage', 'deliver'],
    reverted: ['prepare', 'stage'],
    isSteady: false,
  },
  'chaos-map': {
    ends: 'succeeded',
    tasks: ['survey', 'visit[0]', 'visit[1]', 'visit[2]', 'sum'],
    isSteady: false,
  },
  'chaos-spread': {
    ends: 'succeeded',
    tasks: ['scout', 'carry[0]', 'carry[1]', 'carry[2]', 'gather'],
    isSteady: false,
  },
  'chaos-approval': { ends: 'succeeded', tasks: ['ask', 'follow'], isSteady: false },
};

/** Tasks that run as jobs of their own: what they tell the ledger has the fence and the attempt of that job. */
const REMOTE: ReadonlySet<string> = new Set(['prepare', 'carry']);

/** Retry controllers: theirs is a success in each round, and neither a start nor an effect outside. */
const CONTROLLERS: ReadonlySet<string> = new Set(['again']);

export function isController(name: string): boolean {
  return CONTROLLERS.has(name);
}

export function isRemote(task: string): boolean {
  return REMOTE.has(task.replace(/\[.*$/, ''));
}

/**
 * What the fences of a call can be compared with: others of its job, or where a job of its own runs the
 * task, others of the same try. Stores count fences for each job anew.
 */
export function fenceScope(call: {
  readonly jobId: string;
  readonly task: string;
  readonly key: string;
}): string {
  return isRemote(call.task) ? call.key : call.jobId;
}
