import { readFile } from 'node:fs/promises';
import type { Board } from '@holdfast/board';
import { createClient } from '@holdfast/client';
import { createServer } from '@holdfast/server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Certificates, createCertificates } from '../support/certificates.ts';
import { MemoryBoards } from '../support/memory-board.ts';
import { callRaw, field } from '../support/raw-grpc.ts';

const UNAUTHENTICATED = 16;
const listen = { host: '127.0.0.1', port: 0 };

describe('who may call', () => {
  const resources = new AsyncDisposableStack();
  let board: Board;
  let certificates: Certificates;

  beforeAll(async () => {
    board = await resources.use(new MemoryBoards()).openBoard();
    certificates = resources.use(await createCertificates());
  });
  afterAll(() => resources.disposeAsync());

  test('listening beyond loopback without token or TLS is refused at construction (N1)', () => {
    expect(() => createServer({ board, listen: { host: '0.0.0.0', port: 0 } })).toThrow(
      'listen.host: "0.0.0.0" is not allowed; allowed: a loopback address',
    );
    expect(() => createServer({ board, listen, token: '' })).toThrow('token: "" is not allowed');
  });

  describe('with a token', () => {
    const token = 'a secret of some length';

    test('calls pass with it, and only with it', async () => {
      await using server = createServer({ board, listen: { host: '0.0.0.0', port: 0 }, token });
      await server.start();
      const address = server.address.replace('0.0.0.0', '127.0.0.1');
      await using known = createClient({ address, token });
      await expect(known.flow('hello')).resolves.toMatchObject({ flow: { name: 'hello' } });
      for (const wrong of [undefined, 'a secret of some lengtH', '']) {
        await using stranger = createClient({ address, token: wrong });
        const error: unknown = await stranger.flow('hello').catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ code: 'UNAUTHENTICATED' });
      }
    });

    test('a watch and reflection need it too; health does not', async () => {
      await using server = createServer({ board, listen, token });
      await server.start();
      const { address } = server;
      const id = field(1, `0${'1'.repeat(25)}`);
      const watch = { address, path: '/holdfast.v1.JobService/WatchJob', requests: [id] };
      expect(await callRaw(watch)).toMatchObject({ status: UNAUTHENTICATED });
      const reflect = {
        address,
        path: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
        requests: [field(7, '*')],
      };
      expect(await callRaw(reflect)).toMatchObject({ status: UNAUTHENTICATED, messages: [] });
      const headers = { authorization: `Bearer ${token}` };
      expect(await callRaw({ ...reflect, headers })).toMatchObject({ status: 0 });
      const health = { address, path: '/grpc.health.v1.Health/Check', requests: [Buffer.alloc(0)] };
      expect(await callRaw(health)).toMatchObject({ status: 0 });
    });

    test.each(['secret', 'Basic c2VjcmV0', 'bearer'])(
      'an authorization of another form is refused: %s',
      async (authorization) => {
        await using server = createServer({ board, listen, token: 'secret' });
        await server.start();
        const answer = await callRaw({
          address: server.address,
          path: '/holdfast.v1.FlowService/ListFlows',
          requests: [Buffer.alloc(0)],
          headers: { authorization },
        });
        expect(answer.status).toBe(UNAUTHENTICATED);
        expect(answer.message).toContain('is not of the form "Bearer <token>"');
      },
    );
  });

  describe('with TLS', () => {
    test('a client that trusts the authority gets in; one that does not is told why', async () => {
      const { ca, serverCert, serverKey } = certificates;
      const tls = { cert: await readFile(serverCert), key: await readFile(serverKey) };
      await using server = createServer({ board, listen: { host: '0.0.0.0', port: 0 }, tls });
      await server.start();
      const address = server.address.replace('0.0.0.0', '127.0.0.1');
      await using trusting = createClient({ address, tls: { ca: await readFile(ca, 'utf8') } });
      await expect(trusting.flow('hello')).resolves.toMatchObject({ workers: 0 });
      await using doubting = createClient({ address, tls: {}, retry: { attempts: 1 } });
      const error: unknown = await doubting.flow('hello').catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'UNAVAILABLE' });
      expect(String(error)).toContain('no server can be reached');
      expect(String(error)).toContain('certificate');
    });

    test.each([
      { host: '127.0.0.1', outcome: /^in$/ },
      { host: 'localhost', outcome: /^in$/ },
      { host: '127.0.0.2', outcome: /does not match certificate's altnames/ },
    ])('a client gets in if the certificate is good for $host', async ({ host, outcome }) => {
      const { ca, serverCert, serverKey } = certificates;
      const tls = { cert: await readFile(serverCert), key: await readFile(serverKey) };
      await using server = createServer({ board, listen: { host: '0.0.0.0', port: 0 }, tls });
      await server.start();
      const address = server.address.replace('0.0.0.0', host);
      const retry = { attempts: 1 };
      await using client = createClient({ address, retry, tls: { ca: await readFile(ca) } });
      expect(await client.flow('hello').then(() => 'in', String)).toMatch(outcome);
    });

    test('where the server asks for a certificate, a client without one stays outside', async () => {
      const { ca, serverCert, serverKey, clientCert, clientKey } = certificates;
      const authority = await readFile(ca);
      const tls = {
        cert: await readFile(serverCert),
        key: await readFile(serverKey),
        clientCa: authority,
      };
      await using server = createServer({ board, listen, tls });
      await server.start();
      const { address } = server;
      const own = { cert: await readFile(clientCert), key: await readFile(clientKey) };
      await using known = createClient({ address, tls: { ca: authority, ...own } });
      await expect(known.flow('hello')).resolves.toMatchObject({ workers: 0 });
      const retry = { attempts: 1 };
      await using stranger = createClient({ address, tls: { ca: authority }, retry });
      await expect(stranger.flow('hello')).rejects.toMatchObject({
        code: expect.stringMatching(/^(?:UNAVAILABLE|OUTCOME_UNKNOWN)$/),
      });
    });
  });
});
