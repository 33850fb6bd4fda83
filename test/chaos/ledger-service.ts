// The outside world of a campaign: a ledger over HTTP that remembers for each job, and for each try of a
// remote task, the highest fence it has seen, refuses whatever comes under an older one, and takes each effect once by its key. It keeps
// what it refused too.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { fenceScope } from './flow-facts.ts';
import type { LedgerEntry } from './history.ts';

/** What a task sends. */
export type LedgerRequest = Omit<LedgerEntry, 'verdict' | 'fence' | 'atMs'> & {
  readonly fence: string;
};

/** See the head of this file. */
export class LedgerService implements AsyncDisposable {
  readonly #server: Server;
  readonly #entries: LedgerEntry[] = [];
  readonly #fences = new Map<string, bigint>();
  readonly #effects = new Set<string>();
  /** By process: keys of tries that have started there and had no effect yet. */
  readonly #running = new Map<number, Set<string>>();

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
    // A worker that was stopped for a while finds its connection as it was.
    this.#server.keepAliveTimeout = 120_000;
  }

  static async open(): Promise<LedgerService> {
    const service = new LedgerService();
    service.#server.listen(0, '127.0.0.1');
    await once(service.#server, 'listening');
    return service;
  }

  get url(): string {
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') throw new Error('the ledger does not listen');
    return `http://127.0.0.1:${bound.port}/`;
  }

  /** All entries so far, in the order in which they came. */
  get entries(): readonly LedgerEntry[] {
    return this.#entries;
  }

  /** How many tasks run in a process, as far as they have told. */
  runningOn(pid: number): number {
    return this.#running.get(pid)?.size ?? 0;
  }

  /** Hands out the entries and forgets them, but not the fences. */
  take(): readonly LedgerEntry[] {
    return this.#entries.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    if (this.#server.listening) await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    request.once('error', () => response.destroy());
    await once(request, 'end').catch(() => undefined); // Its sender is gone.
    if (text === '') return;
    const sent = JSON.parse(text) as LedgerRequest; // written by chaos-flows.ts
    response.end(this.#enter({ ...sent, fence: BigInt(sent.fence) }));
  }

  #enter(entry: Omit<LedgerEntry, 'verdict' | 'atMs'>): LedgerEntry['verdict'] {
    const verdict = this.#judge(entry);
    this.#entries.push({ ...entry, verdict, atMs: performance.now() });
    const running = this.#running.get(entry.pid) ?? new Set();
    this.#running.set(entry.pid, running);
    if (entry.what === 'start' && verdict === 'accepted') running.add(entry.key);
    if (entry.what === 'effect') running.delete(entry.key);
    return verdict;
  }

  #judge({
    jobId,
    task,
    fence,
    what,
    key,
  }: Omit<LedgerEntry, 'verdict' | 'atMs'>): LedgerEntry['verdict'] {
    const scope = fenceScope({ jobId, task, key });
    const highest = this.#fences.get(scope) ?? 0n;
    if (fence < highest) return 'refused';
    this.#fences.set(scope, fence);
    if (what !== 'effect') return 'accepted';
    if (this.#effects.has(key)) return 'repeat';
    this.#effects.add(key);
    return 'accepted';
  }
}
