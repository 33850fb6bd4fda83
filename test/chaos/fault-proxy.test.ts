import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/cluster.ts';
import { FaultProxy } from './fault-proxy.ts';

const NAME = /^from (\w+)\n/;

/** A server that answers each line with the same line in capitals, and counts what reached it. */
class Capitals implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.setEncoding('utf8').on('data', (text: string) => {
      this.lines.push(...text.split('\n').filter(Boolean));
      socket.write(text.toUpperCase());
    });
  });

  async open(port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return `127.0.0.1:${address.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** One connection through the proxy. */
class Caller implements Disposable {
  readonly socket: Socket;
  heard = '';
  isCut = false;

  constructor(address: string) {
    const [host, port] = address.split(':');
    this.socket = connect(Number(port), host);
    this.socket.setEncoding('utf8').on('data', (text: string) => {
      this.heard += text;
    });
    this.socket.on('error', () => undefined); // `close` follows.
    this.socket.on('close', () => {
      this.isCut = true;
    });
  }

  say(line: string): void {
    this.socket.write(`${line}\n`);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

async function expectToHear(caller: Caller, text: string): Promise<void> {
  await eventually(`hears ${text}`, async () => caller.heard.includes(text), 5000);
}

async function expectCut(caller: Caller): Promise<void> {
  await eventually('is cut off', async () => caller.isCut, 5000);
}

describe('a link through the fault proxy', () => {
  const resources = new AsyncDisposableStack();
  const capitals = resources.use(new Capitals());
  let target: string;
  let proxy: FaultProxy;

  beforeAll(async () => {
    target = await capitals.open();
    proxy = resources.use(await FaultProxy.open({ target }));
  });
  afterAll(() => resources.disposeAsync());

  it('passes both ways while nothing is wrong', async () => {
    using caller = new Caller(proxy.address);
    caller.say('plain');
    await expectToHear(caller, 'PLAIN');
  });

  it('that is cut ends connections and refuses new ones, until it is whole again', async () => {
    using caller = new Caller(proxy.address);
    caller.say('before');
    await expectToHear(caller, 'BEFORE');
    const heal = proxy.inject({ kind: 'cut' });
    await expectCut(caller);
    using refused = new Caller(proxy.address);
    await expectCut(refused);
    heal();
    using again = new Caller(proxy.address);
    again.say('after');
    await expectToHear(again, 'AFTER');
  });

  it('that is half-open stays silent, and delivers what was sent when it is over', async () => {
    using caller = new Caller(proxy.address);
    caller.say('first');
    await expectToHear(caller, 'FIRST');
    const heal = proxy.inject({ kind: 'half-open' });
    caller.say('held');
    using late = new Caller(proxy.address);
    await once(late.socket, 'connect');
    late.say('late');
    // A round trip over a whole link shows that there was time enough.
    await using whole = await FaultProxy.open({ target });
    using clock = new Caller(whole.address);
    clock.say('tick');
    await expectToHear(clock, 'TICK');
    expect([capitals.lines.includes('held'), capitals.lines.includes('late')]).toEqual([
      false,
      false,
    ]);
    expect(caller.isCut || late.isCut).toBe(false);
    heal();
    await Promise.all([expectToHear(caller, 'HELD'), expectToHear(late, 'LATE')]);
  });

  it('that drops answers lets requests through, and ends the connections it took from', async () => {
    using caller = new Caller(proxy.address);
    using quiet = new Caller(proxy.address);
    quiet.say('settled');
    await expectToHear(quiet, 'SETTLED');
    const heal = proxy.inject({ kind: 'drop answers' });
    caller.say('unheard');
    await eventually('the request arrives', async () => capitals.lines.includes('unheard'));
    expect(caller.heard).toBe('');
    heal();
    await expectCut(caller); // P1
    quiet.say('still here');
    await expectToHear(quiet, 'STILL HERE');
  });

  it('that is slow keeps the order', async () => {
    const heal = proxy.inject({ kind: 'delay', ms: 100 });
    using caller = new Caller(proxy.address);
    const sinceMs = performance.now();
    for (const line of ['one', 'two', 'three']) caller.say(line);
    await expectToHear(caller, 'THREE');
    expect(performance.now() - sinceMs).toBeGreaterThan(190);
    expect(caller.heard).toBe('ONE\nTWO\nTHREE\n');
    heal();
  });

  it('with two faults suffers the worse one, and the other when that is over', async () => {
    const healDelay = proxy.inject({ kind: 'delay', ms: 1 });
    const healCut = proxy.inject({ kind: 'cut' });
    using refused = new Caller(proxy.address);
    await expectCut(refused);
    healCut();
    using caller = new Caller(proxy.address);
    caller.say('slowly');
    await expectToHear(caller, 'SLOWLY');
    healDelay();
  });

  it('lets no more than a bounded heap pile up while it is held', async () => {
    const heal = proxy.inject({ kind: 'half-open' });
    using caller = new Caller(proxy.address);
    await once(caller.socket, 'connect');
    const line = `${'x'.repeat(1_048_576)}\n`;
    for (let n = 0; n < 64; n += 1) caller.socket.write(line);
    expect(caller.socket.writableLength).toBeGreaterThan(32 * 1_048_576);
    heal();
    await eventually('all of it arrives', async () => caller.heard.length === 64 * line.length);
  });
});

describe('a link to somebody who does not listen yet', () => {
  it('is made once he does, where the proxy is patient', async () => {
    await using gone = new Capitals();
    const target = await gone.open();
    await gone[Symbol.asyncDispose]();
    await using hasty = await FaultProxy.open({ target });
    using refused = new Caller(hasty.address);
    await expectCut(refused);
    await using patient = await FaultProxy.open({ target, patienceMs: 5000 });
    using waiting = new Caller(patient.address);
    waiting.say('early');
    await using back = new Capitals();
    await back.open(Number(target.split(':')[1]));
    await expectToHear(waiting, 'EARLY');
  });
});

describe('a link whose callers tell who they are', () => {
  it('fails for one caller alone, and for one that does not tell', async () => {
    await using capitals = new Capitals();
    await using proxy = await FaultProxy.open({
      target: await capitals.open(),
      sourceOf: (head) => NAME.exec(head.toString())?.[1],
    });
    const heal = proxy.inject({ kind: 'cut' }, 'anna');
    using anna = new Caller(proxy.address);
    using berta = new Caller(proxy.address);
    using nobody = new Caller(proxy.address);
    anna.say('from anna');
    berta.say('from berta');
    nobody.say('hello');
    await Promise.all([expectCut(anna), expectCut(nobody), expectToHear(berta, 'FROM BERTA')]);
    heal();
    using again = new Caller(proxy.address);
    again.say('from anna');
    await expectToHear(again, 'FROM ANNA');
  });

  it('closes although a caller has never told', async () => {
    await using capitals = new Capitals();
    const proxy = await FaultProxy.open({
      target: await capitals.open(),
      sourceOf: (head) => NAME.exec(head.toString())?.[1],
    });
    using silent = new Caller(proxy.address);
    using finished = new Caller(proxy.address);
    await Promise.all([once(silent.socket, 'connect'), once(finished.socket, 'connect')]);
    finished.socket.end();
    await expectCut(finished);
    await proxy[Symbol.asyncDispose]();
    await expectCut(silent);
  });
});
