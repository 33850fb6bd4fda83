// What producers and operators do in a campaign: posts, single and in bulk, under keys of their own,
// repeated; cancels and revives. It notes what was asked and what it was told, and nothing else: what
// became of it is the checker's business.
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@holdfast/client';
import { type ErrorCode, fromUnknown, type Random } from '@holdfast/core';
import type { CallOutcome, ControlRecord, PostRecord } from './history.ts';

/** Attempts that may be lost: chaos must not make a job dead. The most that a post may ask for. */
const MAX_ATTEMPTS = 100;
/** Long enough for a round to be judged, short enough for a campaign of hours. */
const RETENTION_MS = 600_000;
const CALLS_AT_ONCE_MAX = 64;
const PAUSE_MS = { least: 120, spread: 240 } as const;
const WORK_MS = { least: 30, spread: 400, long: 2500 } as const;
/** Jobs are cancelled while they may still run: one of so many that were posted last. */
const RECENT_JOBS = 8;

interface WorkFlow {
  readonly name: string;
  /** How many of its jobs work for long. Those of chaos-one ignore their signal, and so make zombies. */
  readonly longPart: number;
  /** Only one of so many that are posted first. */
  readonly among?: number;
}

const STEPS: WorkFlow = { name: 'chaos-steps', longPart: 0.05 };

const FLOWS: readonly WorkFlow[] = [
  { name: 'chaos-one', longPart: 0.7 },
  { name: 'chaos-one', longPart: 0.7 },
  STEPS,
  { name: 'chaos-fan', longPart: 0.1 },
  { name: 'chaos-flaky', longPart: 0.05 },
  { name: 'chaos-saga', longPart: 0.05 },
  { name: 'chaos-rounds', longPart: 0 },
  // Only at the beginning, because its jobs pause for longer than a round ought to wait for its last ones.
  { name: 'chaos-map', longPart: 0, among: 50 },
  { name: 'chaos-spread', longPart: 0.2 },
  { name: 'chaos-approval', longPart: 0 },
];
/** How long a signal is sent again and again once everything has healed. */
const SIGNAL_MS = 30_000;

/**
 * After these the call had no effect. UNAVAILABLE is none of them: it is what the last try was told, and
 * the answer to one before it may have been lost.
 */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'FAILED_PRECONDITION',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'INVALID_ARGUMENT',
]);

export interface WorkloadOptions {
  readonly clients: readonly Client[];
  readonly ledgerUrl: string;
  readonly random: Random;
  /** Makes keys of one round different from those of another. */
  readonly round: number;
}

interface Intent {
  readonly key: string;
  readonly flow: string;
  readonly workMs: number;
  readonly delayMs: number | undefined;
}

/** One round's work. */
export class Workload {
  readonly posts: PostRecord[] = [];
  readonly controls: ControlRecord[] = [];
  readonly #options: WorkloadOptions;
  readonly #intents: Intent[] = [];
  readonly #jobs = new Set<string>();
  /** Jobs that fail by themselves, or may have been cancelled. */
  readonly #revivable = new Set<string>();
  /** Jobs that go on only when they get their signal. */
  readonly #approvals = new Set<string>();
  readonly #calls = new Set<Promise<void>>();

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  /** Ids of all jobs whose post was acknowledged. */
  get jobIds(): readonly string[] {
    return [...this.#jobs];
  }

  /** Works until the signal aborts, and waits for the calls that are under way. */
  async run(signal: AbortSignal): Promise<void> {
    const { random } = this.#options;
    while (!signal.aborted) {
      if (this.#calls.size < CALLS_AT_ONCE_MAX) this.#start(this.#choose());
      await delay(PAUSE_MS.least + random.next() * PAUSE_MS.spread);
    }
    await Promise.all(this.#calls);
    await this.#signalAll();
  }

  /** One that was refused its signal because it was cancelled may have been revived since. */
  async #signalAll(): Promise<void> {
    const endMs = performance.now() + SIGNAL_MS;
    let open = [...this.#approvals];
    while (open.length > 0 && performance.now() < endMs) {
      const outcomes = await Promise.all(open.map((jobId) => this.#signal(jobId)));
      open = open.filter((_, index) => outcomes[index] === 'unknown');
    }
  }

  #start(call: Promise<void>): void {
    const tracked = call.finally(() => this.#calls.delete(tracked));
    this.#calls.add(tracked);
  }

  #choose(): Promise<void> {
    const roll = this.#options.random.next();
    if (roll < 0.45) return this.#post(this.#newIntent());
    if (roll < 0.6) return this.#postMany(3 + Math.floor(this.#options.random.next() * 5));
    if (roll < 0.78) return this.#postAgain();
    if (roll < 0.88) return this.#control('cancel');
    if (roll < 0.94) return this.#signalOne();
    return this.#control('revive');
  }

  #newIntent(): Intent {
    const { random, round } = this.#options;
    const drawn = pick(FLOWS, random) ?? STEPS;
    const flow = this.#intents.length < (drawn.among ?? Number.POSITIVE_INFINITY) ? drawn : STEPS;
    const isLong = random.next() < flow.longPart;
    const intent: Intent = {
      key: `round-${round}-${this.#intents.length}`,
      flow: flow.name,
      workMs: Math.round(isLong ? WORK_MS.long : WORK_MS.least + random.next() * WORK_MS.spread),
      delayMs: random.next() < 0.1 ? 1500 : undefined,
    };
    this.#intents.push(intent);
    return intent;
  }

  async #post(intent: Intent): Promise<void> {
    try {
      const job = await this.#client().post(intent.flow, this.#input(intent), options(intent));
      this.#posted(intent, job.id);
    } catch (error) {
      this.#notPosted(intent, error);
    }
  }

  async #postMany(count: number): Promise<void> {
    const intents = Array.from({ length: count }, () => this.#newIntent());
    try {
      const outcomes = await this.#client().postMany(
        intents.map((intent) => ({
          flow: intent.flow,
          input: this.#input(intent),
          ...options(intent),
        })),
      );
      for (const [index, outcome] of outcomes.entries()) {
        const intent = intents[index];
        if (!intent) continue;
        if (outcome.kind === 'posted') this.#posted(intent, outcome.job.id);
        else this.#notPosted(intent, outcome.error);
      }
    } catch (error) {
      for (const intent of intents) this.#notPosted(intent, error);
    }
  }

  /** The same post under the same key; where the first one's outcome isn't known, too. */
  async #postAgain(): Promise<void> {
    const intent = pick(this.#intents, this.#options.random);
    if (intent) await this.#post(intent);
  }

  async #control(what: ControlRecord['what']): Promise<void> {
    const candidates = what === 'cancel' ? this.jobIds.slice(-RECENT_JOBS) : [...this.#revivable];
    const jobId = pick(candidates, this.#options.random);
    if (jobId === undefined) return;
    const sentMs = performance.now();
    let outcome: CallOutcome = 'acknowledged';
    try {
      const client = this.#client();
      if (what === 'cancel') await client.job(jobId).cancel({ reason: 'chaos' });
      else await client.revive(jobId);
    } catch (error) {
      outcome = outcomeOf(error);
    }
    if (what === 'cancel') this.#revivable.add(jobId);
    this.controls.push({ what, jobId, outcome, sentMs, endedMs: performance.now() });
  }

  async #signalOne(): Promise<void> {
    const jobId = pick([...this.#approvals], this.#options.random);
    if (jobId !== undefined) await this.#signal(jobId);
  }

  /** Under one key, so that a repeat is the same signal. */
  async #signal(jobId: string): Promise<CallOutcome> {
    try {
      await this.#client()
        .job(jobId)
        .signal('go', null, { idempotencyKey: `go-${jobId}` });
      return 'acknowledged';
    } catch (error) {
      return outcomeOf(error);
    }
  }

  #client(): Client {
    const client = pick(this.#options.clients, this.#options.random);
    if (!client) throw new Error('a workload needs a client');
    return client;
  }

  #input({ workMs }: Intent): { ledger: string; workMs: number } {
    return { ledger: this.#options.ledgerUrl, workMs };
  }

  #posted({ key, flow }: Intent, jobId: string): void {
    this.#jobs.add(jobId);
    if (flow === 'chaos-saga') this.#revivable.add(jobId);
    if (flow === 'chaos-approval') this.#approvals.add(jobId);
    this.posts.push({ key, flow, outcome: 'acknowledged', jobId });
  }

  #notPosted({ key, flow }: Intent, error: unknown): void {
    this.posts.push({ key, flow, outcome: outcomeOf(error) });
  }
}

function options({ key, delayMs }: Intent): {
  idempotencyKey: string;
  delayMs?: number;
  maxAttempts: number;
  retentionMs: number;
} {
  return {
    idempotencyKey: key,
    ...(delayMs === undefined ? {} : { delayMs }),
    maxAttempts: MAX_ATTEMPTS,
    retentionMs: RETENTION_MS,
  };
}

function outcomeOf(error: unknown): CallOutcome {
  return REFUSALS.has(fromUnknown(error).code) ? 'refused' : 'unknown';
}

function pick<Item>(items: readonly Item[], random: Random): Item | undefined {
  return items[Math.floor(random.next() * items.length)];
}
