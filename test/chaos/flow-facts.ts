// What the checker has to know of the flows in chaos-flows.ts, without running them.

/** How a flow ends when nobody cancels it, and what it consists of. */
export interface FlowFacts {
  readonly ends: 'succeeded' | 'failed';
  readonly tasks: readonly string[];
  /** Tasks may run again after they were reverted and the job was revived. */
  readonly reverts: boolean;
}

/** By the name of the flow. */
export const FLOW_FACTS: Readonly<Record<string, FlowFacts>> = {
  'chaos-one': { ends: 'succeeded', tasks: ['only'], reverts: false },
  'chaos-steps': { ends: 'succeeded', tasks: ['first', 'second', 'third'], reverts: false },
  'chaos-fan': { ends: 'succeeded', tasks: ['north', 'east', 'south'], reverts: false },
  'chaos-flaky': { ends: 'succeeded', tasks: ['flaky'], reverts: false },
  'chaos-saga': { ends: 'failed', tasks: ['book', 'charge'], reverts: true },
};
