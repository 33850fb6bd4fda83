import { StoreUrlError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { parseEtcdUrl } from './etcd-url.ts';

describe('an etcd URL', () => {
  it.each<[string, object]>([
    ['etcd://127.0.0.1:2379', { endpoints: ['127.0.0.1:2379'] }],
    ['etcd://localhost:2379/', { endpoints: ['localhost:2379'] }],
    [
      'etcd://a:1,b.example:65535,[::1]:2379/team/board',
      { endpoints: ['a:1', 'b.example:65535', '[::1]:2379'], prefix: '/team/board' },
    ],
    [
      'etcd://worker:p%40ss:w%2Ford@a:1',
      { endpoints: ['a:1'], auth: { user: 'worker', password: 'p@ss:w/ord' } },
    ],
    ['etcd://worker:@a:1', { endpoints: ['a:1'], auth: { user: 'worker', password: '' } }],
    [
      'etcd://a:1/x?ca=/etc/ssl/ca%20file.pem&cert=c.pem&key=k.pem',
      {
        endpoints: ['a:1'],
        prefix: '/x',
        tls: { ca: '/etc/ssl/ca file.pem', cert: 'c.pem', key: 'k.pem' },
      },
    ],
    ['etcd://a:1?tls=on', { endpoints: ['a:1'], tls: {} }],
    ['etcd://a:1?compaction=off', { endpoints: ['a:1'], compaction: 'off' }],
  ])('is read: %s', (url, options) => {
    expect(parseEtcdUrl(url)).toEqual(options);
  });

  it.each<[string, RegExp]>([
    ['', /form/],
    ['http://a:1', /form/],
    ['etcd:a:1', /form/],
    ['etcd://a:1#fragment', /form/],
    ['etcd://', /endpoint ""/],
    ['etcd://a', /endpoint "a"/],
    ['etcd://a:0', /endpoint "a:0"/],
    ['etcd://a:65536', /endpoint "a:65536"/],
    ['etcd://a:1,', /endpoint ""/],
    ['etcd://::1:2379', /endpoint/],
    ['etcd://a:1/x/', /prefix/],
    ['etcd://a:1/x y', /prefix/],
    ['etcd://user@a:1', /USER:PASSWORD/],
    ['etcd://:password@a:1', /USER:PASSWORD/],
    ['etcd://u:%zz@a:1', /percent/],
    ['etcd://a:1?colour=red', /"colour"/],
    ['etcd://a:1?ca=', /ca has no value/],
    ['etcd://a:1?ca=x&ca=y', /twice/],
    ['etcd://a:1?cert=x', /go together/],
    ['etcd://a:1?tls=off', /tls/],
    ['etcd://a:1?compaction=on', /compaction/],
  ])('is refused, saying why: %s', (url, problem) => {
    expect(() => parseEtcdUrl(url)).toThrow(StoreUrlError);
    expect(() => parseEtcdUrl(url)).toThrow(problem);
  });

  it.each(['etcd://user:s3cret@a', 'etcd://user:s3cr@et@a:1/x/', 'etcd://user:s3cret@a:1?x'])(
    'never shows the password when it is refused: %s',
    (url) => {
      expect(() => parseEtcdUrl(url)).toThrow(/etcd:\/\/user:\*\*\*@a/);
      expect(() => parseEtcdUrl(url)).not.toThrow(/s3cr|et@/);
    },
  );
});
