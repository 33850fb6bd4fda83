// Producers and operators: they post, repeat posts, send signals, suspend, resume, cancel, revive and
// look, through the servers' JobService, over a network that loses requests and answers. What was acknowledged to them is what
// the system has to keep (G1, G6, G9).
import { encodeJson } from '@holdfast/core';
import { GRPC_STATUS } from '@holdfast/wire';
import { APPROVAL_FLOW, GO, POISON_FLOWS } from './fixed-flows.ts';
import type { History } from './history.ts';
import type { RunningProcess, SimulatedFleet } from './simulated-fleet.ts';
import type { Chance, SimulatedWorld } from './simulated-world.ts';

/** A NewJob message as protobuf reads it from the wire, every default in its place. */
interface NewJobFields {
  readonly flow: string;
  readonly input: { readonly contentType: string; readonly data: Uint8Array };
  readonly queue: string;
  readonly priority: number;
  readonly delayMs: bigint;
  readonly maxAttempts: number;
  readonly deadlines: {
    readonly queueMs: bigint;
    readonly attemptMs: bigint;
    readonly totalMs: bigint;
  };
  readonly retentionMs: bigint;
  readonly labels: Readonly<Record<string, string>>;
  readonly idempotencyKey: string;
}

const NO_DEADLINES = { queueMs: 0n, attemptMs: 0n, totalMs: 0n };

/** What a caller learns of a call. */
type Answer =
  | { readonly kind: 'ok'; readonly response: unknown }
  | { readonly kind: 'refused'; readonly code: number }
  /** Nothing came back: it may have happened. */
  | { readonly kind: 'silence' };

/** A job that a producer was told is posted. */
interface Acknowledged {
  readonly id: string;
  readonly key: string;
  readonly job: NewJobFields;
  /** Kept longer than the simulation lasts, so its key leads to it for good. */
  readonly isKept: boolean;
}

/** A signal that a producer was told is stored. */
export interface AcknowledgedSignal {
  readonly jobId: string;
  readonly seq: number;
  readonly name: string;
}

const DAY_MS = 86_400_000;
/** Longer than any simulation lasts. */
const LONG_RETENTION_MS = 3650 * DAY_MS;

/** How often a producer repeats a post that it has no answer to. */
const POST_TRIES = 30;

export interface ProducerOptions {
  readonly world: SimulatedWorld;
  readonly history: History;
  readonly fleet: SimulatedFleet;
  /** How many random flows there are. */
  readonly flows: number;
}

export class SimulatedProducer {
  readonly acknowledged: Map<string, Acknowledged> = new Map();
  /** By the keys that they were sent under. */
  readonly signals: Map<string, AcknowledgedSignal> = new Map();
  /** Share of requests, and of answers, that get lost. */
  lossRate = 0;
  readonly #options: ProducerOptions;
  readonly #chance: Chance;
  #sequence = 0;
  #isBusy = false;

  constructor(options: ProducerOptions) {
    this.#options = options;
    this.#chance = options.world.chance.fork();
  }

  /** Keeps posting and meddling, about every `pauseMs`, until {@link rest}. */
  begin(pauseMs: number): void {
    this.#isBusy = true;
    const next = (): void => {
      if (!this.#isBusy) return;
      void this.#act();
      this.#options.world.schedule(this.#chance.between(0, 2 * pauseMs), next);
    };
    this.#options.world.schedule(0, next);
  }

  rest(): void {
    this.#isBusy = false;
  }

  /** Posts slow jobs for a probe of takeovers; resolves once all are acknowledged. */
  async postSlow(count: number): Promise<readonly string[]> {
    const posts = Array.from({ length: count }, () =>
      this.#postUntilKnown({ ...this.#newJob('slow'), deadlines: NO_DEADLINES }),
    );
    return (await Promise.all(posts)).filter((id) => id !== undefined);
  }

  /** Posts many small jobs at once. */
  async postBacklog(count: number): Promise<void> {
    const posts = Array.from({ length: count }, () => this.#postUntilKnown(this.#newJob('quick')));
    await Promise.all(posts);
  }

  async #act(): Promise<void> {
    const draw = this.#chance.next();
    if (draw < 0.52) await this.#postUntilKnown(this.#newJob(this.#pickFlow()));
    else if (draw < 0.58) await this.#repeatPost();
    else if (draw < 0.62) await this.#postOther();
    else if (draw < 0.65) await this.#postBad();
    else if (draw < 0.77) await this.#signal();
    else if (draw < 0.82) await this.#suspend();
    else if (draw < 0.86) await this.#resume();
    else if (draw < 0.94) await this.#cancel();
    else if (draw < 0.97) await this.#revive();
    else await this.#meddle();
  }

  #pickFlow(): string {
    const { flows } = this.#options;
    if (this.#chance.hits(0.12)) return APPROVAL_FLOW;
    if (this.#chance.hits(0.02)) return this.#chance.pick(POISON_FLOWS);
    return `flow-${this.#chance.whole(0, flows - 1)}`;
  }

  /** Lets jobs go on that somebody suspended, and gives those their signal that wait for it. */
  async letGoOn(jobs: {
    readonly suspended: readonly string[];
    readonly waiting: readonly string[];
  }): Promise<void> {
    const resumed = jobs.suspended.map((id) => this.#call('resumeJob', { id }));
    const signalled = jobs.waiting.map((id) => this.#signalUntilKnown(id, GO));
    await Promise.all([...resumed, ...signalled]);
  }

  #newJob(flow: string): NewJobFields {
    const chance = this.#chance;
    this.#sequence += 1;
    const isRandom = flow.startsWith('flow-');
    const isKept = chance.hits(0.7);
    const deadlines = {
      queueMs: chance.hits(0.1) ? BigInt(chance.whole(500, 60_000)) : 0n,
      attemptMs: chance.hits(0.1) ? BigInt(chance.whole(500, 30_000)) : 0n,
      totalMs: chance.hits(0.1) ? BigInt(chance.whole(2000, 300_000)) : 0n,
    };
    return {
      flow,
      queue: '',
      labels: {},
      input: payload(isRandom ? { order: this.#sequence } : {}),
      priority: chance.whole(0, 9),
      maxAttempts: chance.whole(2, 6),
      delayMs:
        isRandom && chance.hits(0.15)
          ? BigInt(chance.whole(1, chance.hits(0.2) ? 9_000_000 : 9000))
          : 0n,
      retentionMs: BigInt(isKept ? LONG_RETENTION_MS : chance.whole(1000, 600_000)),
      deadlines,
      idempotencyKey: `post-${this.#sequence}`,
    };
  }

  /** Posts, and repeats the post under its key until the answer is known. The id, unless refused. */
  async #postUntilKnown(job: NewJobFields): Promise<string | undefined> {
    const key = job.idempotencyKey;
    for (let tries = 0; tries < POST_TRIES; tries += 1) {
      const answer = await this.#call('postJob', { job });
      if (answer.kind === 'ok') {
        const id = readId(answer.response);
        this.#acknowledge({ id, key, job, isKept: job.retentionMs === BigInt(LONG_RETENTION_MS) });
        return id;
      }
      if (answer.kind === 'refused' && !PASSING.has(answer.code)) {
        // A flow that no worker has registered yet.
        if (answer.code !== GRPC_STATUS.NOT_FOUND) {
          this.#options.history.violate('G6', `post ${key} was refused with code ${answer.code}`);
        }
        return undefined;
      }
      await this.#options.world.sleep(this.#chance.between(10, 800));
    }
    return undefined;
  }

  #acknowledge(job: Acknowledged): void {
    const { history } = this.#options;
    const known = this.acknowledged.get(job.key);
    if (known && known.id !== job.id && known.isKept) {
      history.violate('G6', `post ${job.key} led to job ${known.id}, and then to ${job.id}`);
    }
    if (!known) history.count('acknowledged posts');
    history.note('producer', `knows that ${job.key} is job ${job.id}`);
    this.acknowledged.set(job.key, job);
  }

  /** The same post again: the same job. */
  async #repeatPost(): Promise<void> {
    const known = this.#pickKnown();
    if (!known) return;
    this.#options.history.countFault('duplicate post');
    await this.#postUntilKnown({ ...known.job, idempotencyKey: known.key });
  }

  /** The same key with other content: refused. */
  async #postOther(): Promise<void> {
    const known = this.#pickKnown();
    if (!known?.isKept) return;
    this.#options.history.countFault('post with a used key');
    const job = { ...known.job, labels: { other: 'content' } };
    const answer = await this.#call('postJob', { job });
    const isRight =
      answer.kind === 'silence' ||
      (answer.kind === 'refused' &&
        (answer.code === GRPC_STATUS.ALREADY_EXISTS || PASSING.has(answer.code)));
    if (!isRight) this.#options.history.violate('G6', `other content was taken under ${known.key}`);
  }

  /** Bad input of several kinds, marked so that the witness knows it if it is ever stored. */
  async #postBad(): Promise<void> {
    const good = this.#newJob('flow-0');
    const bad: readonly NewJobFields[] = [
      { ...good, priority: 10 },
      { ...good, input: payload({ order: -1 }) },
      { ...good, input: payload({ order: 'first' }) },
      { ...good, flow: 'no such/flow' },
      { ...good, maxAttempts: 0 },
      { ...good, delayMs: -5n },
      { ...good, input: { contentType: 'application/json', data: Buffer.from('{') } },
    ];
    const job = { ...this.#chance.pick(bad), labels: { bad: 'yes' } };
    this.#options.history.countFault('bad post');
    const answer = await this.#call('postJob', { job });
    if (answer.kind === 'ok') this.#options.history.violate('G9', 'bad input was taken');
  }

  async #cancel(): Promise<void> {
    const known = this.#pickKnown();
    if (!known) return;
    const revert = this.#chance.hits(0.5);
    const request = { id: known.id, reason: 'by chance', revert };
    const answer = await this.#call('cancelJob', request);
    if (answer.kind !== 'ok') return;
    this.#options.history.count(`cancels ${revert ? 'with revert ' : ''}acknowledged`);
  }

  async #suspend(): Promise<void> {
    const known = this.#pickKnown();
    if (!known) return;
    const answer = await this.#call('suspendJob', { id: known.id, reason: 'by chance' });
    if (answer.kind === 'ok') this.#options.history.count('suspends acknowledged');
  }

  async #resume(): Promise<void> {
    const known = this.#pickKnown();
    if (!known) return;
    const answer = await this.#call('resumeJob', { id: known.id });
    if (answer.kind === 'ok') this.#options.history.count('resumes acknowledged');
  }

  async #signal(): Promise<void> {
    const known = this.#pickKnown();
    if (known) await this.#signalUntilKnown(known.id, this.#chance.hits(0.7) ? GO : 'noise');
  }

  /** Sends a signal, and repeats it under its key until the answer is known. */
  async #signalUntilKnown(jobId: string, name: string): Promise<void> {
    this.#sequence += 1;
    const idempotencyKey = `signal-${this.#sequence}`;
    const request = { id: jobId, name, payload: payload({ by: idempotencyKey }), idempotencyKey };
    // Sometimes once more than is needed: that is the same signal.
    let extra = this.#chance.hits(0.2) ? 1 : 0;
    for (let tries = 0; tries < POST_TRIES; tries += 1) {
      const answer = await this.#call('signalJob', request);
      if (answer.kind === 'ok') {
        this.#acknowledgeSignal(idempotencyKey, { jobId, name, seq: readSeq(answer.response) });
        if (extra === 0) return;
        extra -= 1;
      } else if (answer.kind === 'refused' && !PASSING.has(answer.code)) return;
      await this.#options.world.sleep(this.#chance.between(10, 800));
    }
  }

  #acknowledgeSignal(key: string, signal: AcknowledgedSignal): void {
    const { history } = this.#options;
    const known = this.signals.get(key);
    if (known && known.seq !== signal.seq) {
      history.violate('S', `${key} was signal ${known.seq}, and then ${signal.seq}`);
    }
    if (!known) history.count('signals acknowledged');
    this.signals.set(key, signal);
  }

  async #revive(): Promise<void> {
    const known = this.#pickKnown();
    if (!known) return;
    const answer = await this.#call('reviveJob', { id: known.id });
    if (answer.kind === 'ok') this.#options.history.count('revivals acknowledged');
  }

  /** Task jobs are jobs: whoever finds one may ask things of it. */
  async #meddle(): Promise<void> {
    const { history, fleet } = this.#options;
    const parent = this.#pickKnown();
    const taskJobs = parent ? fleet.witness.taskJobsOf(parent.id) : [];
    if (taskJobs.length === 0) return;
    const { id } = this.#chance.pick(taskJobs);
    const method = this.#chance.pick([
      'cancelJob',
      'suspendJob',
      'resumeJob',
      'reviveJob',
    ] as const);
    const answer = await this.#call(method, { id, reason: 'by chance', revert: false });
    if (answer.kind !== 'ok') return;
    history.count('task jobs meddled with');
    if (method === 'reviveJob') history.violate('states', `task job ${id} was revived`);
  }

  #pickKnown(): Acknowledged | undefined {
    const known = [...this.acknowledged.values()].slice(-40);
    return known.length === 0 ? undefined : this.#chance.pick(known);
  }

  /** One call to one of the servers. */
  #call(method: string, request: unknown): Promise<Answer> {
    const { world, fleet } = this.#options;
    const servers = fleet.running('server');
    const chance = this.#chance;
    return new Promise((resolve) => {
      const server = servers.length === 0 ? undefined : chance.pick(servers);
      const isRequestLost = !server || chance.hits(this.lossRate);
      const isAnswerLost = chance.hits(this.lossRate);
      world.schedule(chance.between(3000, 8000), () => resolve({ kind: 'silence' }));
      if (isRequestLost) return;
      server.process.deliver(chance.between(0.1, 5), () => {
        answer(server, { method, request }, (given) => {
          if (!isAnswerLost) world.schedule(chance.between(0.1, 5), () => resolve(given));
        });
      });
    });
  }
}

const PASSING: ReadonlySet<number> = new Set([
  GRPC_STATUS.UNAVAILABLE,
  GRPC_STATUS.UNKNOWN,
  GRPC_STATUS.ABORTED,
  GRPC_STATUS.DEADLINE_EXCEEDED,
  GRPC_STATUS.RESOURCE_EXHAUSTED,
]);

type UnaryMethod = (
  call: unknown,
  callback: (error: { readonly code: number } | null, response?: unknown) => void,
) => void;

/** Hands a call to the server's handler, as the socket would. */
function answer(
  { service }: RunningProcess,
  { method, request }: { readonly method: string; readonly request: unknown },
  give: (answer: Answer) => void,
): void {
  const handler = service?.[method] as UnaryMethod | undefined; // JobService's own unary methods
  const call = {
    request,
    metadata: { get: () => [] },
    cancelled: false,
    getDeadline: () => Number.POSITIVE_INFINITY,
    on: () => call,
  };
  handler?.(call, (error, response) => {
    give(error ? { kind: 'refused', code: error.code } : { kind: 'ok', response });
  });
}

function readId(response: unknown): string {
  const id = typeof response === 'object' && response && 'id' in response ? response.id : undefined;
  if (typeof id !== 'string') throw new Error('the server acknowledged a post without an id');
  return id;
}

function readSeq(response: unknown): number {
  const seq =
    typeof response === 'object' && response && 'seq' in response ? response.seq : undefined;
  if (typeof seq !== 'number') throw new Error('the server acknowledged a signal without a number');
  return seq;
}

function payload(value: unknown): { contentType: string; data: Uint8Array } {
  const { contentType, data } = encodeJson(value);
  return { contentType, data };
}
