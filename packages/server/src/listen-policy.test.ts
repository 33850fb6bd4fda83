import { describe, expect, test } from 'vitest';
import { checkListenAddress, formatAddress, isLoopback } from './listen-policy.ts';

const OPEN = { hasToken: false, hasTls: false, isInsecure: false };

describe('beyond loopback a server needs a token or TLS (N1)', () => {
  test.each(['0.0.0.0', '::', '192.168.1.5', 'example.org', '128.0.0.1', '127.example.org'])(
    '%s without either is refused',
    (host) => {
      expect(() => checkListenAddress({ host, port: 0 }, OPEN)).toThrow(
        `listen.host: "${host}" is not allowed; allowed: a loopback address`,
      );
    },
  );

  test.each(['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1', 'localhost'])(
    '%s needs neither',
    (host) => {
      expect(isLoopback(host)).toBe(true);
      expect(() => checkListenAddress({ host, port: 0 }, OPEN)).not.toThrow();
    },
  );

  test.each(['hasToken', 'hasTls', 'isInsecure'] as const)('%s opens it', (protection) => {
    const listen = { host: '0.0.0.0', port: 7070 };
    expect(() => checkListenAddress(listen, { ...OPEN, [protection]: true })).not.toThrow();
  });
});

test.each([-1, 65_536, 1.5, Number.NaN])('port %s is refused', (port) => {
  expect(() => checkListenAddress({ host: '127.0.0.1', port }, OPEN)).toThrow('0 to 65535');
});

test('IPv6 addresses are written in brackets', () => {
  expect(formatAddress({ host: '::1', port: 7070 })).toBe('[::1]:7070');
  expect(formatAddress({ host: 'localhost', port: 7070 })).toBe('localhost:7070');
});
