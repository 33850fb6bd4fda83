import { isIPv4, isIPv6 } from 'node:net';
import { InvalidArgumentError } from '@holdfast/core';

/** Where a server listens. */
export interface ListenAddress {
  /** A host name or address, such as `127.0.0.1`, `::1` or `0.0.0.0`. */
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
}

/** What protects a server that can be reached from elsewhere. */
export interface Protection {
  readonly hasToken: boolean;
  readonly hasTls: boolean;
  /** The network is closed by other means: the caller has said so. */
  readonly isInsecure: boolean;
}

const PORT_MAX = 65_535;

/**
 * Refuses an address that isn't one, and one that can be reached from other machines while neither
 * a token nor TLS protects it. Throws InvalidArgumentError naming `listen.host` or `listen.port`.
 */
export function checkListenAddress(listen: ListenAddress, protection: Protection): void {
  const { host, port } = listen;
  if (!Number.isInteger(port) || port < 0 || port > PORT_MAX) {
    throw new InvalidArgumentError('listen.port', { value: port, allowed: `0 to ${PORT_MAX}` });
  }
  if (host === '') {
    throw new InvalidArgumentError('listen.host', { value: host, allowed: 'a host or an address' });
  }
  const { hasToken, hasTls, isInsecure } = protection;
  if (isLoopback(host) || hasToken || hasTls || isInsecure) return;
  throw new InvalidArgumentError('listen.host', {
    value: host,
    allowed:
      'a loopback address (127.0.0.1, ::1, localhost), unless a token or TLS keeps strangers out',
  });
}

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.');
  if (isIPv6(host)) return host === '::1' || host.toLowerCase().startsWith('::ffff:127.');
  return host === 'localhost';
}

/** Host and port as one address; IPv6 in brackets. */
export function formatAddress({ host, port }: ListenAddress): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}
