// A receiver of OTLP over HTTP, for tests and the demo: it collects what processes report and can be
// asked for it. JSON only (OTEL_EXPORTER_OTLP_PROTOCOL=http/json); `environment()` gives a process
// the settings that make it report here, and soon. Not a collector: it keeps everything in memory.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, type Service, sleep, systemClock } from '@holdfast/core';
import { decodePoints, decodeSpans, type ReceivedPoint, type ReceivedSpan } from './otlp-json.ts';

export type { ReceivedPoint, ReceivedSpan, ReceivedValue } from './otlp-json.ts';

/** The most spans, and the most metric points, that are kept; what comes after is refused. */
export const MAX_RECEIVED = 1_000_000;

/** The largest request taken, in bytes. */
export const MAX_REQUEST_BYTES = 67_108_864;

/** Listens on the loopback interface, on a port that the system chooses. */
export class OtlpReceiver implements Service {
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #spans: ReceivedSpan[] = [];
  readonly #points: ReceivedPoint[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(options: { readonly clock?: Clock | undefined } = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#server = createServer((request, response) => {
      void this.#serve(request, response);
    });
  }

  async start(): Promise<void> {
    if (this.#server.listening) return;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Spans received so far, in order of arrival. */
  get spans(): readonly ReceivedSpan[] {
    return this.#spans;
  }

  /** Metric points received so far, in order of arrival. */
  get points(): readonly ReceivedPoint[] {
    return this.#points;
  }

  /** Variables for a process that is to report here: traces after 100 ms, metrics every 500 ms. */
  environment(): Record<string, string> {
    // node:http answers with an address object once it listens on a TCP port.
    const { port } = this.#server.address() as AddressInfo;
    return {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '100',
      OTEL_METRIC_EXPORT_INTERVAL: '500',
      OTEL_METRIC_EXPORT_TIMEOUT: '400',
    };
  }

  /** Resolves with the spans once they satisfy `condition`; rejects after `timeoutMs` (default 10 s). */
  async waitFor(
    condition: (spans: readonly ReceivedSpan[]) => boolean,
    options: { readonly timeoutMs?: number | undefined } = {},
  ): Promise<readonly ReceivedSpan[]> {
    const { timeoutMs = 10_000 } = options;
    const deadlineMs = this.#clock.monotonicMs() + timeoutMs;
    while (!condition(this.#spans)) {
      const leftMs = deadlineMs - this.#clock.monotonicMs();
      if (leftMs <= 0) {
        const names = this.#spans.map((span) => span.name).join(', ');
        throw new Error(`the spans waited for did not come within ${timeoutMs} ms; got: ${names}`);
      }
      await this.#nextArrival(leftMs);
    }
    return this.#spans;
  }

  async #nextArrival(atMostMs: number): Promise<void> {
    const arrived = new AbortController();
    const wake = (): void => arrived.abort();
    this.#waiting.add(wake);
    await sleep(this.#clock, atMostMs, { signal: arrived.signal });
    this.#waiting.delete(wake);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refusal = await this.#accept(request).catch((error: unknown) => ({
      status: 400,
      message: String(error),
    }));
    response.writeHead(refusal?.status ?? 200, { 'content-type': 'application/json' });
    response.end(refusal ? JSON.stringify({ message: refusal.message }) : '{}');
    for (const wake of this.#waiting) wake();
  }

  async #accept(
    request: IncomingMessage,
  ): Promise<{ readonly status: number; readonly message: string } | undefined> {
    if (!request.headers['content-type']?.startsWith('application/json')) {
      return { status: 415, message: 'only JSON: set OTEL_EXPORTER_OTLP_PROTOCOL=http/json' };
    }
    const body = await readBody(request);
    if (body === undefined) return { status: 413, message: `over ${MAX_REQUEST_BYTES} bytes` };
    if (request.url === '/v1/traces') return keep(this.#spans, decodeSpans(body));
    if (request.url === '/v1/metrics') return keep(this.#points, decodePoints(body));
    return { status: 404, message: `nothing is received at ${request.url}` };
  }
}

function keep<T>(
  kept: T[],
  received: readonly T[],
): { readonly status: number; readonly message: string } | undefined {
  if (kept.length + received.length > MAX_RECEIVED) return { status: 429, message: 'full' };
  for (const item of received) kept.push(item);
  return undefined;
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > MAX_REQUEST_BYTES) return undefined;
    pieces.push(piece);
  }
  return JSON.parse(Buffer.concat(pieces).toString('utf8')) as unknown;
}
