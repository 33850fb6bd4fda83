// Users, TLS, and processes: who gets at etcd through the driver, and what a process leaves behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { CommitResult, Coord } from '@holdfast/coord';
import { type EtcdCoordOptions, openEtcdCoord, parseEtcdUrl } from '@holdfast/coord-etcd';
import { HoldfastError, sleep, systemClock, systemRandom, UnavailableError } from '@holdfast/core';
import { afterEach, describe, expect, it } from 'vitest';
import { createCertificates } from '../support/certificates.ts';
import { startEtcd } from '../support/etcd-server.ts';

const REPOSITORY = new URL('../..', import.meta.url).pathname;
const WAIT_LIMIT_MS = 20_000;
const value = new TextEncoder().encode('x');

let perTest = new AsyncDisposableStack();
afterEach(async () => {
  await perTest.disposeAsync();
  perTest = new AsyncDisposableStack();
});

function open(options: Omit<EtcdCoordOptions, 'clock' | 'random'>): Coord {
  return perTest.use(openEtcdCoord({ ...options, clock: systemClock, random: systemRandom }));
}

async function failureOf(promise: Promise<unknown>): Promise<HoldfastError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error('the call succeeded, though it had to fail');
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + WAIT_LIMIT_MS;
  while (!(await isTrue())) {
    if (performance.now() > endsAt) throw new Error(`waited ${WAIT_LIMIT_MS} ms for: ${what}`);
    await sleep(systemClock, 20);
  }
}

/** Listens on a free port until the test ends; HOST:PORT. */
async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  perTest.defer(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `127.0.0.1:${address.port}`;
}

/** Uses everything that asks etcd for a permission; resolves with what its session's key came to. */
async function useAll(coord: Coord): Promise<readonly number[]> {
  await coord.start();
  const session = await coord.openSession({ ttlMs: 2000 });
  let wakes = 0;
  const watch = coord.watch('k/', () => {
    wakes += 1;
  });
  await watch.armed;
  const write = { kind: 'put', key: 'k/session', value, session } as const;
  await coord.commit({ when: [], write: [write] });
  await until('the watch wakes', () => wakes > 0);
  const before = await coord.get(['k/session']);
  await session.close();
  const after = await coord.list({ prefix: 'k/', limit: 10 });
  await watch.close();
  return [before.size, after.entries.length];
}

describe('user and password', () => {
  const user = { name: 'worker', password: 'not a secret', prefix: '/board/' };
  const auth = { user: user.name, password: user.password };

  it('give a user with rights on the prefix alone all that a board needs', async () => {
    const server = perTest.use(await startEtcd({ user }));
    const compaction = { everyRevisions: 1000, keepRevisions: 0 };
    expect(
      await useAll(open({ endpoints: [server.endpoint], prefix: '/board', auth, compaction })),
    ).toEqual([1, 0]);
  });

  it('are refused in one line when they are wrong, missing, or without rights on the prefix', async () => {
    const server = perTest.use(await startEtcd({ user }));
    const endpoints = [server.endpoint];
    const wrong = open({ endpoints, prefix: '/board', auth: { ...auth, password: 'other' } });
    const missing = open({ endpoints, prefix: '/board' });
    const elsewhere = open({ endpoints, prefix: '/another', auth });
    for (const [coord, advice] of [
      [wrong, /check user and password$/],
      [missing, /it asks for a user and a password$/],
      [elsewhere, /grant the user readwrite permission on the key prefix$/],
    ] as const) {
      const error = await failureOf(coord.start());
      expect(error.code).toBe('UNAUTHENTICATED');
      expect(error.message).toMatch(advice);
      expect(error.message).not.toMatch(/\n|other/);
    }
  });

  it('are shown again by themselves when etcd does not know the token any more', async () => {
    const server = perTest.use(await startEtcd({ user }));
    const coord = open({ endpoints: [server.endpoint], prefix: '/board', auth, resyncMs: 600_000 });
    await coord.start();
    const commit = (): Promise<CommitResult> =>
      coord.commit({ when: [], write: [{ kind: 'put', key: 'k', value }] });
    const forget = (): Promise<unknown> =>
      server.call('/v3/auth/user/changepw', { name: user.name, password: user.password });
    await commit();
    // A new password ends all tokens of the user, even when it is the old one.
    await forget();
    expect((await commit()).committed).toBe(true);
    let wakes = 0;
    await forget();
    const watch = coord.watch('', () => {
      wakes += 1;
    });
    await watch.armed;
    await forget();
    expect((await coord.get(['k'])).size).toBe(1);
    await server.kill();
    await server.restart();
    await until('the watch is armed anew', () => wakes > 1);
    const before = wakes;
    await commit();
    await until('the watch wakes', () => wakes > before);
    await watch.close();
  });

  it('do no harm where etcd asks for none', async () => {
    const server = perTest.use(await startEtcd());
    expect(await useAll(open({ endpoints: [server.endpoint], auth }))).toEqual([1, 0]);
  });
});

describe('TLS', () => {
  it('with an authority and a client certificate of its own works, also by URL and with a user', async () => {
    const certificates = perTest.use(await createCertificates());
    const user = { name: 'worker', password: 'p@ss/word' };
    const server = perTest.use(await startEtcd({ tls: certificates, user }));
    const { ca, clientCert, clientKey } = certificates;
    const query = Object.entries({ ca, cert: clientCert, key: clientKey })
      .map(([name, path]) => `${name}=${encodeURIComponent(path)}`)
      .join('&');
    const [, port = ''] = server.endpoint.split(':');
    const userInfo = `worker:${encodeURIComponent(user.password)}`;
    for (const host of ['127.0.0.1', 'localhost']) {
      const url = `etcd://${userInfo}@${host}:${port}/${host}?${query}`;
      expect(await useAll(open(parseEtcdUrl(url)))).toEqual([1, 0]);
    }
  });

  it('is refused in one line when a certificate is wrong or missing, or one side does not speak it', async () => {
    const certificates = perTest.use(await createCertificates());
    const others = perTest.use(await createCertificates());
    const server = perTest.use(await startEtcd({ tls: certificates }));
    const plain = perTest.use(await startEtcd());
    const { ca, clientCert: cert, clientKey: key } = certificates;
    const endpoints = [server.endpoint];
    const attempts: Coord[] = [
      open({ endpoints, tls: { ca: others.ca, cert, key } }),
      open({ endpoints, tls: { ca, cert: others.clientCert, key: others.clientKey } }),
      open({ endpoints, tls: { ca } }),
      open({ endpoints, tls: {} }),
      open({ endpoints }),
      open({ endpoints: [plain.endpoint], tls: { ca, cert, key } }),
    ];
    for (const coord of attempts) {
      const error = await failureOf(coord.start());
      expect(error).toBeInstanceOf(UnavailableError);
      expect(error.message).toMatch(/^(?:no etcd answers|etcd) at 127\.0\.0\.1:\d+ [^\n]*$/);
    }
  });
});

it('stop closes every connection', async () => {
  const server = perTest.use(await startEtcd());
  const [, port] = server.endpoint.split(':');
  const sockets = new Set<Socket>();
  const relay = createServer((socket) => {
    sockets.add(socket);
    const onward = connect(Number(port), '127.0.0.1');
    socket.once('close', () => {
      sockets.delete(socket);
      onward.destroy();
    });
    socket
      .on('error', () => {})
      .pipe(onward.on('error', () => {}))
      .pipe(socket);
  });
  const endpoint = await listen(relay);
  const coord = open({ endpoints: [endpoint] });
  await coord.start();
  await coord.openSession({ ttlMs: 5000 });
  await coord.watch('', () => {}).armed;
  expect(sockets.size).toBeGreaterThan(0);
  await coord.stop();
  await until('the connections are closed', () => sockets.size === 0);
});

it('an HTTP server that is no etcd is told from one', async () => {
  const http = createHttpServer((_, response) => response.writeHead(404).end());
  perTest.defer(() => http.closeAllConnections());
  const endpoint = await listen(http);
  const error = await failureOf(open({ endpoints: [endpoint] }).start());
  expect(error).toBeInstanceOf(UnavailableError);
  expect(error.message).not.toContain('\n');
});

/** Runs a module in a process of its own, with `coord` open on the endpoint; gives its lines one by one. */
function runWithCoord(
  endpoint: string,
  body: string,
): { readonly child: ChildProcess; line(): Promise<string>; readonly exit: Promise<unknown> } {
  const program = `
    import { openEtcdCoord } from '@holdfast/coord-etcd';
    import { systemClock as clock, systemRandom as random } from '@holdfast/core';
    const value = new TextEncoder().encode('x');
    const coord = openEtcdCoord({ endpoints: ['${endpoint}'], clock, random });
    await coord.start();
    ${body}`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: REPOSITORY,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  perTest.defer(() => void child.kill('SIGKILL'));
  const exit = new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal));
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => `${(await lines.next()).value}`;
  return { child, line, exit };
}

describe('a process', () => {
  it('that was paused past its TTL has lost its session and its keys when it wakes, and can not write', async () => {
    const server = perTest.use(await startEtcd());
    const coord = open({ endpoints: [server.endpoint] });
    await coord.start();
    const holder = runWithCoord(
      server.endpoint,
      `const session = await coord.openSession({ ttlMs: 2000 });
       const put = (key) => ({ kind: 'put', key, value, session });
       await coord.commit({ when: [], write: [put('worker')] });
       console.log('holding ' + session.ttlMs);
       process.stdin.once('data', async () => {
         // The very first thing it does: its clock has gone on while it could not.
         console.log('trusted ' + session.isTrusted());
         const guarded = { when: [{ kind: 'exists', key: 'worker' }], write: [{ kind: 'put', key: 'late', value }] };
         console.log('committed ' + (await coord.commit(guarded)).committed);
         console.log(await coord.commit({ when: [], write: [put('late')] }).catch((error) => error.code));
         process.exit(0);
       });`,
    );
    expect(await holder.line()).toMatch(/^holding \d+$/);
    expect((await coord.get(['worker'])).size).toBe(1);
    holder.child.kill('SIGSTOP');
    await until('the key vanishes', async () => (await coord.get(['worker'])).size === 0);
    holder.child.stdin?.write('go on\n');
    holder.child.kill('SIGCONT');
    expect(await holder.line()).toBe('trusted false');
    expect(await holder.line()).toBe('committed false');
    expect(await holder.line()).toBe('SESSION_LOST');
    expect((await coord.get(['late'])).size).toBe(0);
    expect(await holder.exit).toBe(0);
  });

  it.each([
    ['used everything', '', ''],
    ['has watches and sessions open', 'coord.watch("", () => {});', ''],
    ['lost etcd in the meantime', 'coord.watch("", () => {});', 'kill'],
  ])('that %s exits by itself once the store was stopped', async (_, more, fate) => {
    const server = perTest.use(await startEtcd());
    const program = runWithCoord(
      server.endpoint,
      `const session = await coord.openSession({ ttlMs: 60_000 });
       await coord.commit({ when: [], write: [{ kind: 'put', key: 'k', value, session }] });
       await coord.list({ prefix: '', limit: 1 });
       ${more}
       console.log('ready');
       process.stdin.once('data', async () => {
         process.stdin.destroy();
         const reading = coord.get(['k']).catch((error) => error.code);
         await coord.stop();
         console.log('stopped', await reading instanceof Map || await reading);
       });`,
    );
    expect(await program.line()).toBe('ready');
    if (fate === 'kill') await server.kill();
    const startedAt = performance.now();
    program.child.stdin?.write('stop\n');
    expect(await program.line()).toMatch(/^stopped (?:true|UNAVAILABLE)$/);
    expect(await program.exit).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(1500);
  });
});
