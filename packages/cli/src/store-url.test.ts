import { StoreUrlError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { parseStoreUrl } from './store-url.ts';

describe('a store URL', () => {
  it('names a file, or memory', () => {
    expect(parseStoreUrl('memory:')).toEqual({ kind: 'memory' });
    expect(parseStoreUrl('sqlite:a b.db')).toEqual({ kind: 'sqlite', path: 'a b.db' });
    expect(parseStoreUrl('sqlite:/srv/a.db')).toEqual({ kind: 'sqlite', path: '/srv/a.db' });
    expect(parseStoreUrl('sqlite:///srv/a.db')).toEqual({ kind: 'sqlite', path: '/srv/a.db' });
  });

  it('names the members of an etcd, with or without a prefix', () => {
    expect(parseStoreUrl('etcd://127.0.0.1:2379')).toEqual({
      kind: 'etcd',
      endpoints: ['127.0.0.1:2379'],
      prefix: undefined,
      auth: undefined,
      tls: undefined,
    });
    expect(parseStoreUrl('etcd://a:1,[::1]:2,c.example:3/team/board/')).toMatchObject({
      endpoints: ['a:1', '[::1]:2', 'c.example:3'],
      prefix: '/team/board',
    });
  });

  it('carries credentials and TLS files', () => {
    expect(parseStoreUrl('etcd://me:p%40ss:word@a:1/x?tls&ca=/c/ca.pem')).toMatchObject({
      prefix: '/x',
      auth: { user: 'me', password: 'p@ss:word' },
      tls: { ca: '/c/ca.pem' },
    });
    expect(parseStoreUrl('etcd://a:1?tls')).toMatchObject({ tls: {} });
  });

  it('leaves the URL of a ZooKeeper to its driver', () => {
    const url = 'zk://me:secret@a:1,b:2/team?tick=1000';
    expect(parseStoreUrl(url)).toEqual({ kind: 'zookeeper', url });
  });

  it.each([
    ['', 'which kind'],
    ['board.db', 'which kind'],
    ['redis://a:1', 'redis: is no kind'],
    ['memory:x', 'nothing may follow'],
    ['sqlite:', 'path of the file is missing'],
    ['sqlite://board.db', 'two slashes'],
    ['etcd:', 'not written like a URL'],
    ['etcd://', 'names no host'],
    ['etcd:///prefix', 'names no host'],
    ['etcd://a', '"a" is not HOST:PORT'],
    ['etcd://a:0', 'is not HOST:PORT'],
    ['etcd://a:1,,b:2', '"" is not HOST:PORT'],
    ['etcd://me@a:1', 'not USER:PASSWORD'],
    ['etcd://a:1/%zz', 'does not begin the code'],
    ['etcd://a:1?ssl=1', '"ssl" is not one of'],
    ['etcd://a:1?ca=', 'ca names no file'],
  ])('%s is refused, and told why', (url, problem) => {
    expect(() => parseStoreUrl(url)).toThrow(StoreUrlError);
    expect(() => parseStoreUrl(url)).toThrow(problem);
    expect(() => parseStoreUrl(url)).toThrow('allowed: sqlite:PATH, etcd://');
  });

  it.each(['etcd://me:secret@a:1?x', 'etcd://me:my/secret@a:1', 'redis://me:se@cret@a:1'])(
    'keeps its password to itself when it is refused: %s',
    (url) => {
      expect(() => parseStoreUrl(url)).toThrow(/"[a-z]+:\/\/me:\*\*\*@a:1/);
    },
  );
});
