import { StoreUrlError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { parseZooKeeperUrl } from './zookeeper-url.ts';

describe('the URL of a ZooKeeper', () => {
  it('names servers, with or without a prefix', () => {
    expect(parseZooKeeperUrl('zk://a:2181')).toEqual({ servers: ['a:2181'] });
    expect(parseZooKeeperUrl('zk://a:1,[::1]:2,c.example:3/team/board?tick=500')).toEqual({
      servers: ['a:1', '[::1]:2', 'c.example:3'],
      prefix: '/team/board',
      tickTimeMs: 500,
    });
  });

  it('carries a user and a password', () => {
    expect(parseZooKeeperUrl('zk://me:p%40ss:word@a:1/')).toEqual({
      servers: ['a:1'],
      auth: { user: 'me', password: 'p@ss:word' },
    });
  });

  it.each([
    ['zk:a:1', 'form of a ZooKeeper URL'],
    ['zk://', 'the server ""'],
    ['zk://a', 'the server "a"'],
    ['zk://a:0', 'PORT is 1 to 65535'],
    ['zk://a:1,,b:2', 'the server ""'],
    ['zk://me@a:1', 'USER:PASSWORD'],
    ['zk://m%3ae:x@a:1', 'no colon'],
    ['zk://me:%zz@a:1', 'malformed percent'],
    ['zk://a:1/zookeeper', 'the prefix "/zookeeper"'],
    ['zk://a:1/b/', 'no slash at the end'],
    ['zk://a:1?tick=0', 'tick is the servers'],
    ['zk://a:1?tick=2s', 'tick is the servers'],
    ['zk://a:1?tls=on', 'the parameter "tls" is none of: tick'],
    ['zks://a:1', 'no TLS'],
  ])('%s is refused, and told why', (url, problem) => {
    expect(() => parseZooKeeperUrl(url)).toThrow(StoreUrlError);
    expect(() => parseZooKeeperUrl(url)).toThrow(problem);
  });

  it('keeps its password to itself when it is refused', () => {
    expect(() => parseZooKeeperUrl('zk://me:qwx@zyv@a:1?x')).toThrow(/^(?!.*(?:qwx|zyv))/);
    expect(() => parseZooKeeperUrl('zks://me:qwxz@a:1')).toThrow(/^(?!.*qwxz)/);
  });
});
