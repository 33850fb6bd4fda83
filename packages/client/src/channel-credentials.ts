// How a channel speaks to a server: in plain text, or by TLS.
//
// grpc-js names the host of the address as the TLS server name. An IP address may not stand there
// (RFC 6066, section 3), so Node warns of it on the standard error of whoever uses this client. So an
// address that is an IP address has credentials of its own, which name none. Whose certificate the
// server shows is judged by the address all the same.
import { isIP, type Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext } from 'node:tls';
import { ChannelCredentials, credentials } from '@grpc/grpc-js';
import { InvalidArgumentError } from '@holdfast/core';
import type { ClientTls } from './client-settings.ts';

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>;
type ConnectorParameters = Parameters<ChannelCredentials['_createSecureConnector']>;

/**
 * Credentials for a channel to `address`, which is HOST:PORT; plain text without `tls`. Throws
 * InvalidArgumentError when there is a certificate without its key, or the other way round.
 */
export function channelCredentials(
  address: string,
  tls: ClientTls | undefined,
): ChannelCredentials {
  if (!tls) return credentials.createInsecure();
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw new InvalidArgumentError(tls.cert === undefined ? 'tls.cert' : 'tls.key', {
      value: undefined,
      allowed: 'both cert and key, or none of them',
    });
  }
  const context = createSecureContext({ ca: tls.ca, key: tls.key, cert: tls.cert });
  const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  if (isIP(host) === 0) return credentials.createFromSecureContext(context);
  return new AddressCredentials(host, context);
}

/** TLS to an IP address; see the head of this file. */
class AddressCredentials extends ChannelCredentials {
  readonly #host: string;
  readonly #context: SecureContext;

  constructor(host: string, context: SecureContext) {
    super();
    this.#host = host;
    this.#context = context;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(...parameters: ConnectorParameters): SecureConnector {
    const [, , callCredentials = credentials.createEmpty()] = parameters;
    return {
      connect: async (socket) => ({ socket: await this.#secure(socket), secure: true }),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials,
      destroy: () => undefined,
    };
  }

  /** Resolves once the server has shown a certificate that is good for the address. */
  #secure(socket: Socket): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const secured = connect({
        socket,
        host: this.#host,
        secureContext: this.#context,
        ALPNProtocols: ['h2'],
      });
      secured.once('secureConnect', () => resolve(secured));
      // Stays, because a connection may fail later too; whoever uses it is told by its end.
      secured.on('error', reject);
    });
  }
}
