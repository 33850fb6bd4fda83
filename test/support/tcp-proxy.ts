// A proxy between client and server that loses what a test wants to be lost.
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Listens on a port of its own and passes everything on. */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #losing: { resolve: () => void } | undefined;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#server = createServer((client) => {
      const upstream = connect(target.port, target.host);
      this.#join(client, upstream);
    });
  }

  static async open(address: string): Promise<TcpProxy> {
    const cut = address.lastIndexOf(':');
    const proxy = new TcpProxy({
      host: address.slice(0, cut),
      port: Number(address.slice(cut + 1)),
    });
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): string {
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') throw new Error('the proxy does not listen');
    return `127.0.0.1:${bound.port}`;
  }

  /**
   * The next thing the server sends is lost, and the connection with it: the request has arrived,
   * its answer won't. Resolves when that has happened.
   */
  loseNextAnswer(): Promise<void> {
    return new Promise((resolve) => {
      this.#losing = { resolve };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #join(client: Socket, upstream: Socket): void {
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.on('error', end);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    client.on('data', (data) => void upstream.write(data));
    upstream.on('data', (data: Buffer) => {
      if (this.#losing && isAnswer(data)) {
        this.#losing.resolve();
        this.#losing = undefined;
        end();
        return;
      }
      client.write(data);
    });
  }
}

/** True when the data hold a HEADERS or DATA frame of HTTP/2, not only housekeeping. */
function isAnswer(data: Buffer): boolean {
  for (let offset = 0; offset + 9 <= data.length; offset += 9 + data.readUIntBE(offset, 3)) {
    if ((data[offset + 3] ?? 255) <= 1) return true;
  }
  return false;
}
