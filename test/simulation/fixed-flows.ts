// The flows of every simulated world that are not drawn by chance: one that waits for a signal, two that
// kill whoever runs them, one that takes no time and one that takes long.
import { sleep } from '@holdfast/core';
import {
  type AnyFlow,
  type CallContext,
  flow,
  linear,
  type Task,
  task,
  unordered,
  waitFor,
} from '@holdfast/flow';
import type { FlowGeneration, FlowHost } from './random-flow.ts';

/** The flow whose jobs wait for a signal, the signal, and the step that takes it. */
export const APPROVAL_FLOW = 'approval';
export const GO = 'go';
export const WAIT = 'wait';

/** Flows with a task that kills the process that runs it; in the second one it is a remote task. */
export const POISON_FLOWS = ['poison', 'far-poison'] as const;

/** All of them, for one process. */
export function buildFixedFlows(host: FlowHost, generation: FlowGeneration): readonly AnyFlow[] {
  return [
    buildApproval(host, generation),
    flow({ name: POISON_FLOWS[0], body: linear('main', buildDeadly(host, 'here')) }),
    flow({ name: POISON_FLOWS[1], body: linear('main', buildDeadly(host, 'anywhere')) }),
    buildQuick(host),
    buildSlow(host),
  ];
}

/** Tells the outside that it was called, and has its effect. */
function act(host: FlowHost, kind: 'execute' | 'revert', ctx: CallContext): void {
  host.outside.started({ kind, ctx });
  host.outside.effect({ kind, ctx });
}

function buildDeadly(host: FlowHost, runs: 'here' | 'anywhere'): Task {
  return task({
    name: runs === 'here' ? 'deadly' : 'r-deadly',
    runs,
    async execute(_args, ctx) {
      host.outside.started({ kind: 'execute', ctx });
      await sleep(host.clock, 5);
      host.crash();
      // Nothing of a dead process goes on.
      await new Promise(() => undefined);
    },
  }) as unknown as Task; // as the lists of a pattern take it
}

/** What backlogs are made of. */
function buildQuick(host: FlowHost): AnyFlow {
  const quick = task({ name: 'quick', execute: (_args, ctx) => act(host, 'execute', ctx) });
  return flow({ name: 'quick', body: linear('main', quick) });
}

/** Waits for a signal between two tasks, the first of which can be reverted, while another runs elsewhere. */
function buildApproval(host: FlowHost, { version, continues }: FlowGeneration): AnyFlow {
  const ask = task({
    name: 'ask',
    execute: (_args, ctx) => act(host, 'execute', ctx),
    revert: (_args, ctx) => act(host, 'revert', ctx),
  });
  const side = task({
    name: 'r-side',
    runs: 'anywhere',
    async execute(_args, ctx) {
      host.outside.started({ kind: 'execute', ctx });
      await sleep(host.clock, 1500);
      host.outside.effect({ kind: 'execute', ctx });
    },
    revert: (_args, ctx) => act(host, 'revert', ctx),
  });
  const last = task({
    name: 'act',
    async execute(_args, ctx) {
      host.outside.started({ kind: 'execute', ctx });
      await sleep(host.clock, 300);
      host.outside.effect({ kind: 'execute', ctx });
    },
  });
  const wait = waitFor(WAIT, { event: GO });
  return flow({
    name: APPROVAL_FLOW,
    version,
    migrations: continues && version > 1 ? { [version - 1]: {} } : undefined,
    body: linear('main', ask, unordered('both', wait, side), last),
  });
}

/** What takeovers are measured by. */
function buildSlow(host: FlowHost): AnyFlow {
  const slow = task({
    name: 'slow',
    async execute(_args, ctx) {
      host.outside.started({ kind: 'execute', ctx });
      await sleep(host.clock, 30_000, { signal: ctx.signal });
      ctx.signal.throwIfAborted();
      host.outside.effect({ kind: 'execute', ctx });
    },
  });
  return flow({ name: 'slow', body: linear('main', slow) });
}
