// Stands between a gRPC client and its server, passes everything on, and puts messages of its own into
// the answers where a test wants it to: what a damaged server or a defect of a proxy would send.
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { frame } from './raw-grpc.ts';

/** See the head of this file. */
export class GrpcRelay implements AsyncDisposable {
  readonly #server: Http2Server = createServer();
  readonly #upstream: ClientHttp2Session;
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Calls that run, and their paths. */
  readonly #calls = new Map<ServerHttp2Stream, string>();

  private constructor(upstream: ClientHttp2Session) {
    this.#upstream = upstream;
    this.#server.on('session', (session) => {
      this.#sessions.add(session);
      session.once('close', () => this.#sessions.delete(session));
    });
    this.#server.on('stream', (stream, headers) => this.#pass(stream, headers));
  }

  /** A relay to the server at `target`, HOST:PORT. */
  static async open(target: string): Promise<GrpcRelay> {
    const relay = new GrpcRelay(connect(`http://${target}`));
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  /** HOST:PORT to connect to. */
  get endpoint(): string {
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') throw new Error('the relay does not listen');
    return `127.0.0.1:${bound.port}`;
  }

  /** Sends a message into every running call of a path, as if the server had; the calls must be quiet. */
  inject(path: string, message: Uint8Array): void {
    for (const [stream, called] of this.#calls) if (called === path) stream.write(frame(message));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#upstream.destroy();
    for (const session of this.#sessions) session.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pass(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    this.#calls.set(stream, headers[':path'] ?? '');
    const call = this.#upstream.request(headers);
    let trailers: IncomingHttpHeaders = {};
    call.on('response', (answer) => stream.respond(answer, { waitForTrailers: true }));
    call.on('trailers', (last) => (trailers = last));
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.pipe(call).pipe(stream);
    stream.once('close', () => {
      this.#calls.delete(stream);
      call.close();
    });
    // A call that breaks on one side ends on the other.
    stream.on('error', () => call.destroy());
    call.on('error', () => stream.destroy());
  }
}
