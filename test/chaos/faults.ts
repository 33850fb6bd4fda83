// The faults of a campaign, by lane: what strikes workers, what strikes servers, what strikes the store.
// Each heals itself before it resolves, and tells when and whom it struck.
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '@holdfast/core';
import { eventually } from '../support/cluster.ts';
import type { ChaosStore } from './chaos-store.ts';
import type { LinkFault } from './fault-proxy.ts';
import type { Fleet, ServerSlot, WorkerSlot } from './fleet.ts';
import type { ExpectedTakeover, FaultRecord, TakeoverClass } from './history.ts';

/** G5: beyond the lease, or at once where the supervisor sees a crash. */
const TAKEOVER_MARGIN_MS = 1000;
const CLOCK_JUMP_S = 20;
const BUSY_WAIT_MS = 3000;
const BUSY_POLL_MS = 10;
const DELAY_MS = { least: 50, spread: 350 } as const;

export interface FaultContext {
  readonly fleet: Fleet;
  readonly store: ChaosStore;
  /** How many tasks run in a process. */
  readonly runningOn: (pid: number) => number;
  readonly leaseTtlMs: number;
  /** 1, or less for faults that last shorter where the lease doesn't say how long. */
  readonly pace: number;
  /** What was struck, when and how: noted as soon as it begins. */
  readonly note: (fault: FaultRecord) => void;
  /** Told what is going on. */
  readonly say: (line: string) => void;
}

/** One fault, ready to be brought about on a victim. */
export interface Fault<Victim> {
  /** As the table names it. */
  readonly kind: string;
  run(victim: Victim, random: Random): Promise<void>;
}

/** Faults that strike one worker. */
export function workerFaults(context: FaultContext): readonly Fault<WorkerSlot>[] {
  const { fleet, leaseTtlMs, pace } = context;
  const strike = (kind: string, run: StrikeWorker): Fault<WorkerSlot> => ({
    kind,
    run: async (slot, random) => {
      await untilBusy(context, slot);
      await run({ slot, random, kind });
    },
  });
  const beyondLease = (random: Random): number =>
    leaseTtlMs + 1200 + pace * random.next() * leaseTtlMs;
  const partition = (fault: LinkFault['kind']): Fault<WorkerSlot> =>
    strike(`worker ↔ store: ${fault}`, async ({ slot, random, kind }) => {
      const heal = slot.wire.inject(linkFault(fault, random));
      const end = begin(context, {
        kind,
        target: slot.name,
        lane: 'workers',
        takeover: lossOf(slot, classOf(fault), leaseTtlMs),
      });
      await delay(beyondLease(random));
      heal();
      end();
    });
  return [
    strike('worker child killed', async ({ slot, random, kind }) => {
      const takeover = lossOf(slot, 'crashed', leaseTtlMs);
      slot.process?.signalChild('SIGKILL');
      begin(context, { kind, target: slot.name, lane: 'workers', takeover })();
      await delay(1500 + random.next() * 1000);
    }),
    strike('worker killed with its supervisor', async ({ slot, random, kind }) => {
      const takeover = lossOf(slot, 'gone', leaseTtlMs);
      slot.process?.signal('SIGKILL', true);
      const end = begin(context, { kind, target: slot.name, lane: 'workers', takeover });
      await slot.process?.ended();
      await delay(500 + random.next() * leaseTtlMs);
      await fleet.startWorker(slot);
      end();
    }),
    strike('worker stopped beyond its lease', async ({ slot, random, kind }) => {
      const takeover = lossOf(slot, 'gone', leaseTtlMs);
      const stopped = slot.process;
      // With the supervisor or without it: what the two know of each other differs.
      if (random.next() < 0.5) stopped?.signal('SIGSTOP', true);
      else if (takeover) process.kill(takeover.pid, 'SIGSTOP');
      const end = begin(context, { kind, target: slot.name, lane: 'workers', takeover });
      await delay(beyondLease(random));
      stopped?.signal('SIGCONT', true);
      end();
    }),
    ...(['cut', 'half-open', 'drop answers', 'delay'] as const).map(partition),
    ...(fleet.hasClocks ? [clockJump(context)] : []),
  ];
}

/** Faults that strike one server. */
export function serverFaults(context: FaultContext): readonly Fault<ServerSlot>[] {
  const { fleet, pace } = context;
  const hold = (random: Random): number => pace * (1500 + random.next() * 3000);
  const partition = (fault: LinkFault['kind']): Fault<ServerSlot> => ({
    kind: `server ↔ store: ${fault}`,
    async run(slot, random) {
      const heal = slot.wire.inject(linkFault(fault, random));
      const end = begin(context, { kind: this.kind, target: slot.name, lane: 'servers' });
      await delay(hold(random));
      heal();
      end();
    },
  });
  return [
    {
      kind: 'server killed',
      async run(slot, random) {
        slot.process?.signal('SIGKILL', true);
        const end = begin(context, { kind: this.kind, target: slot.name, lane: 'servers' });
        await slot.process?.ended();
        await delay(random.next() * 1000);
        await fleet.startServer(slot);
        end();
      },
    },
    {
      kind: 'server stopped',
      async run(slot, random) {
        const stopped = slot.process;
        stopped?.signal('SIGSTOP');
        const end = begin(context, { kind: this.kind, target: slot.name, lane: 'servers' });
        await delay(hold(random));
        stopped?.signal('SIGCONT');
        end();
      },
    },
    ...(['cut', 'half-open', 'drop answers', 'delay'] as const).map(partition),
  ];
}

/** Faults that strike the store; their victim is the number of a member. */
export function storeFaults(context: FaultContext): readonly Fault<number>[] {
  const { store, pace } = context;
  const strike = (kind: string, run: StrikeMember): Fault<number> => ({
    kind,
    run: async (member, random) => {
      const end = begin(context, { kind, target: `member ${member}`, lane: 'store' });
      await run(member, random);
      end();
    },
  });
  const others = (member: number): readonly number[] =>
    store.members.map((_, index) => index).filter((index) => index !== member);
  const hold = (random: Random): number => pace * (1200 + random.next() * 2500);
  const isolate = async (member: number, fault: LinkFault, random: Random): Promise<void> => {
    const heals = others(member).map((other) => store.breakLink(member, other, fault));
    await delay(hold(random));
    for (const heal of heals) heal();
  };
  const restart = async (members: readonly number[], random: Random): Promise<void> => {
    const struck = members.flatMap((member) => store.members[member] ?? []);
    await Promise.all(struck.map((member) => member.kill()));
    await delay(hold(random));
    await Promise.all(struck.map((member) => member.restart()));
  };
  const leader = async (member: number): Promise<number> => (await store.leader()) ?? member;
  return [
    strike('store member killed', (member, random) => restart([member], random)),
    strike('store leader killed', async (member, random) =>
      restart([await leader(member)], random),
    ),
    strike('store quorum killed', (member, random) => restart(others(member), random)),
    strike('store member stopped', async (member, random) => {
      store.members[member]?.pause();
      await delay(hold(random));
      store.members[member]?.resume();
    }),
    strike('store leader stopped', async (member, random) => {
      const paused = store.members[await leader(member)];
      paused?.pause();
      await delay(hold(random));
      paused?.resume();
    }),
    strike('store ↔ store: one link', async (member, random) => {
      const fault = linkFault(random.next() < 0.5 ? 'cut' : 'half-open', random);
      const heal = store.breakLink(member, (member + 1) % store.members.length, fault);
      await delay(hold(random));
      heal();
    }),
    strike('store ↔ store: member isolated', (member, random) =>
      isolate(member, linkFault(random.next() < 0.5 ? 'half-open' : 'delay', random), random),
    ),
    strike('store ↔ store: leader isolated', async (member, random) =>
      isolate(await leader(member), { kind: 'cut' }, random),
    ),
    ...store.faults.map((fault) =>
      strike(fault.kind, (member, random) => fault.run({ holdMs: hold(random), member })),
    ),
  ];
}

/** Ends and starts everything in order, one after the other of each kind. */
export async function rollingRestart(context: FaultContext): Promise<void> {
  const { store, fleet, say } = context;
  const end = begin(context, { kind: 'rolling restart', target: 'everything', lane: 'everything' });
  for (const member of store.members) {
    await member.restart();
    say(`  ${member.endpoint} is back`);
  }
  const servers = async (): Promise<void> => {
    for (const slot of fleet.servers) {
      await fleet.stop(slot);
      await fleet.startServer(slot);
      say(`  ${slot.name} is back`);
    }
  };
  const workers = async (): Promise<void> => {
    for (const slot of fleet.workers) {
      await fleet.stop(slot);
      await fleet.startWorker(slot);
      say(`  ${slot.name} is back`);
    }
  };
  await Promise.all([servers(), workers()]);
  end();
}

/** A worker that has nothing to lose shows nothing; one that gets nothing for a while is struck all the same. */
async function untilBusy({ runningOn }: FaultContext, slot: WorkerSlot): Promise<void> {
  await eventually('the worker has a child', async () => slot.process?.childPid !== undefined);
  const endMs = performance.now() + BUSY_WAIT_MS;
  while (performance.now() < endMs) {
    if (runningOn(slot.process?.childPid ?? 0) > 0) return;
    await delay(BUSY_POLL_MS);
  }
}

type StrikeWorker = (strike: {
  readonly slot: WorkerSlot;
  readonly random: Random;
  readonly kind: string;
}) => Promise<void>;

type StrikeMember = (member: number, random: Random) => Promise<void>;

/** Notes that a fault has begun; the returned function notes its end. */
function begin(context: FaultContext, fault: Omit<FaultRecord, 'atMs' | 'endMs'>): () => void {
  const record = { ...fault, atMs: performance.now(), endMs: Number.POSITIVE_INFINITY };
  context.note(record);
  return () => {
    record.endMs = performance.now();
  };
}

/** Undefined while the worker has no child, and nothing to lose. */
function lossOf(
  slot: WorkerSlot,
  kind: TakeoverClass | undefined,
  leaseTtlMs: number,
): ExpectedTakeover | undefined {
  const pid = slot.process?.childPid;
  if (pid === undefined || kind === undefined) return undefined;
  return { pid, worker: slot.name, class: kind, boundMs: boundMs(kind, leaseTtlMs) };
}

function boundMs(kind: TakeoverClass, leaseTtlMs: number): number {
  switch (kind) {
    case 'crashed':
      return TAKEOVER_MARGIN_MS;
    case 'gone':
      return leaseTtlMs + TAKEOVER_MARGIN_MS;
    case 'one-way':
      // Its keep-alives arrive until it fences itself off; the lease runs out a TTL after the last one.
      return 2 * leaseTtlMs + TAKEOVER_MARGIN_MS;
    default:
      return kind satisfies never;
  }
}

function classOf(fault: LinkFault['kind']): TakeoverClass | undefined {
  switch (fault) {
    case 'cut':
    case 'half-open':
      return 'gone';
    case 'drop answers':
      return 'one-way';
    case 'delay':
      return undefined; // Nothing is lost by it.
    default:
      return fault satisfies never;
  }
}

function linkFault(kind: LinkFault['kind'], random: Random): LinkFault {
  if (kind !== 'delay') return { kind };
  return { kind, ms: Math.round(DELAY_MS.least + random.next() * DELAY_MS.spread) };
}

/** Strikes the worker that has such a clock, whichever was drawn. */
function clockJump(context: FaultContext): Fault<WorkerSlot> {
  const kind = 'clock jump';
  return {
    kind,
    async run(_slot, random) {
      const everyone = [...context.fleet.workers, ...context.fleet.servers];
      const slots = everyone.filter((slot) => slot.clock);
      const seconds = Math.round(
        (random.next() < 0.5 ? -1 : 1) * (2 + random.next() * CLOCK_JUMP_S),
      );
      const target = slots.map(({ name }) => name).join(' and ');
      const clocks = slots.flatMap(({ clock }) => clock ?? []);
      await Promise.all(clocks.map((clock) => clock.jumpTo(seconds)));
      const end = begin(context, { kind, target, lane: 'workers' });
      await delay(2500 + random.next() * 2000);
      await Promise.all(clocks.map((clock) => clock.jumpTo(0)));
      end();
    },
  };
}
