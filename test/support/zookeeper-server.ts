// Real ZooKeeper servers for tests and benches, from Debian's jar: free loopback ports, a temporary
// folder, a small heap, and every way of ending that a machine knows (SIGTERM, SIGKILL, SIGSTOP)
// followed by a restart on the same data.
//
// Nothing is left running (server-process.ts): `stop` waits for the end and removes the folder.
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, ServerProcess } from './server-process.ts';

const JAVA = process.env['HOLDFAST_TEST_JAVA'] ?? '/usr/bin/java';
/** Names the jars it needs in its own manifest. */
const JAR = process.env['HOLDFAST_TEST_ZOOKEEPER'] ?? '/usr/share/java/zookeeper.jar';
/** Brings the log to stderr; without it the server is silent, which is all right too. */
const LOG_JAR = '/usr/share/java/slf4j-simple.jar';
const MAIN_CLASS = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
const START_TIMEOUT_MS = 30_000;
const PROBE_MS = 50;
const PROBE_TIMEOUT_MS = 2000;
const START_TRIES = 3;
const PORT_TAKEN_LINE = /Address already in use|BindException/;
/** What is mixed into a session id to make its password (SessionTrackerImpl's `superSecret`). */
const SESSION_SECRET = 0xb341_5c00n;

export interface ZooKeeperServerOptions {
  /** Default 200: sessions of 400 ms and more, so that tests need not wait for seconds. */
  readonly tickTimeMs?: number | undefined;
  /** Default 512. */
  readonly heapMb?: number | undefined;
  /** Further lines of zoo.cfg, by name. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Further arguments of the virtual machine, such as `-Dzookeeper.…`. */
  readonly jvmArgs?: readonly string[] | undefined;
}

/** One running ZooKeeper; disposing stops it. */
export interface ZooKeeperServer extends AsyncDisposable {
  /** HOST:PORT for clients; the same over restarts. */
  readonly endpoint: string;
  readonly tickTimeMs: number;
  /** The process id of the present incarnation. */
  readonly pid: number;
  /** Where its data and its log lie. */
  readonly folder: string;
  /** SIGKILL; resolves when the process is gone. The data stays for `restart`. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nobody answers. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Ends the process in order if it runs, and starts it again on the same ports and data. */
  restart(): Promise<void>;
  /** Ends the process for good and removes its data. */
  stop(): Promise<void>;
  /** What the server answers to a four-letter word such as `mntr` or `srvr`. */
  ask(word: string): Promise<string>;
}

/** A link between two members, of which each opens its own. */
export interface MemberLink {
  /** Index of the member that connects, and of the one that it connects to. */
  readonly from: number;
  readonly to: number;
  readonly kind: 'quorum' | 'election';
  /** Where the other one listens, on 127.0.0.1. */
  readonly port: number;
}

export interface ZooKeeperEnsembleOptions extends ZooKeeperServerOptions {
  /** Default 3. */
  readonly size?: number | undefined;
  /** The port on 127.0.0.1 by which a link goes, such as a proxy's; default: straight. */
  readonly route?: ((link: MemberLink) => number | Promise<number>) | undefined;
  /** A folder for the data of the member of that number, instead of a temporary one. */
  readonly dataFolder?: ((member: number) => string | undefined) | undefined;
}

/** Several servers that form one ensemble; disposing stops all of them. */
export interface ZooKeeperEnsemble extends AsyncDisposable {
  readonly members: readonly ZooKeeperServer[];
  readonly endpoints: readonly string[];
  /** Index of the member that leads; waits for one. */
  leader(): Promise<number>;
  stop(): Promise<void>;
}

/** Starts one ZooKeeper server and resolves when it serves clients. */
export async function startZooKeeper(
  options: ZooKeeperServerOptions = {},
): Promise<ZooKeeperServer> {
  for (let tryNumber = 1; ; tryNumber += 1) {
    const [clientPort = 0] = await freePorts(1);
    const server = new ZooKeeperProcess({ clientPort, id: undefined, members: [], options });
    try {
      await server.restart();
      return server;
    } catch (error) {
      await server.stop();
      // Another process may have taken the port since it was found free.
      if (tryNumber >= START_TRIES || !PORT_TAKEN_LINE.test(String(error))) throw error;
    }
  }
}

/** Starts an ensemble and resolves when all of its members serve clients. */
export async function startZooKeeperEnsemble(
  options: ZooKeeperEnsembleOptions = {},
): Promise<ZooKeeperEnsemble> {
  const size = options.size ?? 3;
  const ports = await freePorts(3 * size);
  const members: ZooKeeperProcess[] = [];
  for (let id = 0; id < size; id += 1) {
    const clientPort = ports[id] ?? 0;
    const lines = await memberLines(id, { size, ports, options });
    const dataFolder = options.dataFolder?.(id);
    members.push(new ZooKeeperProcess({ clientPort, id, members: lines, dataFolder, options }));
  }
  const stop = async (): Promise<void> => {
    await Promise.all(members.map((member) => member.stop()));
  };
  try {
    await Promise.all(members.map((member) => member.restart()));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    members,
    endpoints: members.map((member) => member.endpoint),
    leader: () => findLeader(members),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The password of a session, which ZooKeeper derives from its id: what a second holder of it would know. */
function passwordOfSession(sessionId: bigint): Buffer {
  // java.util.Random, whose `nextBytes` hands out the bytes of 32-bit numbers, least first.
  const mask = (1n << 48n) - 1n;
  let state = (BigInt.asUintN(64, sessionId ^ SESSION_SECRET) ^ 0x5_deec_e66dn) & mask;
  const password = Buffer.alloc(16);
  for (let offset = 0; offset < password.length; offset += 4) {
    state = (state * 0x5_deec_e66dn + 0xbn) & mask;
    password.writeUInt32LE(Number((state >> 16n) & 0xffff_ffffn), offset);
  }
  return password;
}

/**
 * Ends a session behind its holder's back: opens it a second time, as a second holder could, and closes
 * it. The first one comes back at once and may be given it again in between, so this goes on until the
 * server no longer knows the session.
 */
export async function endSession(endpoint: string, sessionId: string): Promise<void> {
  const untilMs = Date.now() + START_TIMEOUT_MS;
  while (await closeAsSecondHolder(endpoint, BigInt(`0x${sessionId}`))) {
    if (Date.now() > untilMs) throw new Error(`session ${sessionId} can't be ended`);
  }
}

/** False when there is no such session. */
async function closeAsSecondHolder(endpoint: string, id: bigint): Promise<boolean> {
  const hello = Buffer.alloc(4 + 4 + 8 + 4 + 8 + 4 + 16);
  hello.writeInt32BE(hello.length - 4, 0);
  hello.writeInt32BE(START_TIMEOUT_MS, 16);
  hello.writeBigUInt64BE(BigInt.asUintN(64, id), 20);
  hello.writeInt32BE(16, 28);
  passwordOfSession(id).copy(hello, 32);
  const goodbye = Buffer.alloc(12);
  goodbye.writeInt32BE(8, 0);
  goodbye.writeInt32BE(1, 4);
  goodbye.writeInt32BE(-11, 8);
  const [host = '', port = ''] = endpoint.split(':');
  const socket = connect({ host, port: Number(port) });
  let isKnown = true;
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('close', () => resolve());
    socket.once('data', (answer) => {
      isKnown = answer.readInt32BE(8) > 0;
    });
    socket.write(Buffer.concat([hello, goodbye]));
  });
  return isKnown;
}

async function memberLines(
  self: number,
  ensemble: {
    readonly size: number;
    readonly ports: readonly number[];
    readonly options: ZooKeeperEnsembleOptions;
  },
): Promise<string[]> {
  const { size, ports, options } = ensemble;
  const route = options.route ?? (({ port }: MemberLink): number => port);
  const lines: string[] = [];
  for (let id = 0; id < size; id += 1) {
    const via = (kind: MemberLink['kind'], port: number): number | Promise<number> =>
      id === self ? port : route({ from: self, to: id, kind, port });
    const quorum = await via('quorum', ports[size + id] ?? 0);
    const election = await via('election', ports[2 * size + id] ?? 0);
    lines.push(`server.${id + 1}=127.0.0.1:${quorum}:${election}`);
  }
  return lines;
}

async function findLeader(members: readonly ZooKeeperProcess[]): Promise<number> {
  const untilMs = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const answers = await Promise.all(members.map((member) => member.ask('srvr').catch(() => '')));
    const leader = answers.findIndex((answer) => /^Mode: leader$/m.test(answer));
    if (leader >= 0) return leader;
    if (Date.now() > untilMs) throw new Error('no member of the ensemble leads');
    await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
  }
}

interface ZooKeeperProcessOptions {
  readonly clientPort: number;
  /** Its place in the ensemble; undefined when it stands alone. */
  readonly id: number | undefined;
  /** The lines of zoo.cfg that name the members. */
  readonly members: readonly string[];
  /** Default: a temporary folder. */
  readonly dataFolder?: string | undefined;
  readonly options: ZooKeeperServerOptions;
}

class ZooKeeperProcess implements ZooKeeperServer {
  readonly endpoint: string;
  readonly tickTimeMs: number;
  readonly #settings: ZooKeeperProcessOptions;
  readonly #process: ServerProcess;
  #folder: string | undefined;

  constructor(settings: ZooKeeperProcessOptions) {
    this.#settings = settings;
    this.endpoint = `127.0.0.1:${settings.clientPort}`;
    this.#process = new ServerProcess(`ZooKeeper at ${this.endpoint}`);
    this.tickTimeMs = settings.options.tickTimeMs ?? 200;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get folder(): string {
    if (this.#folder === undefined) throw new Error(`ZooKeeper at ${this.endpoint} has no data`);
    return this.#folder;
  }

  async restart(): Promise<void> {
    await this.#process.end('SIGTERM');
    const { dataFolder } = this.#settings;
    if (dataFolder !== undefined) await mkdir(dataFolder, { recursive: true });
    this.#folder ??= dataFolder ?? (await mkdtemp(join(tmpdir(), 'holdfast-zookeeper-')));
    await this.#writeConfiguration(this.#folder);
    await this.#waitUntilReady(this.#process.start(JAVA, this.#args(this.#folder)));
  }

  kill(): Promise<void> {
    return this.#process.end('SIGKILL');
  }

  pause(): void {
    this.#process.pause();
  }

  resume(): void {
    this.#process.resume();
  }

  async stop(): Promise<void> {
    // Its data goes too, so there is nothing that an orderly end would save.
    await this.#process.end('SIGKILL');
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  ask(word: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: this.#settings.clientPort });
      const timer = setTimeout(() => socket.destroy(new Error('no answer')), PROBE_TIMEOUT_MS);
      let text = '';
      socket.setEncoding('utf8');
      socket.once('connect', () => socket.write(word));
      socket.on('data', (chunk: string) => {
        text += chunk;
      });
      socket.once('error', reject);
      socket.once('close', () => {
        clearTimeout(timer);
        resolve(text);
      });
    });
  }

  async #writeConfiguration(folder: string): Promise<void> {
    const { clientPort, id, members, options } = this.#settings;
    const settings: Record<string, string> = {
      tickTime: `${this.tickTimeMs}`,
      dataDir: folder,
      clientPort: `${clientPort}`,
      clientPortAddress: '127.0.0.1',
      maxClientCnxns: '0',
      maxSessionTimeout: '3600000',
      'admin.enableServer': 'false',
      '4lw.commands.whitelist': '*',
      ...(id === undefined ? {} : { initLimit: '50', syncLimit: '15' }),
      ...options.settings,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    await writeFile(join(folder, 'zoo.cfg'), `${[...lines, ...members].join('\n')}\n`);
    if (id !== undefined) await writeFile(join(folder, 'myid'), `${id + 1}`);
  }

  #args(folder: string): string[] {
    const { heapMb = 512, jvmArgs = [] } = this.#settings.options;
    return [
      ...[`-Xmx${heapMb}m`, '-XX:+UseSerialGC', '-Dzookeeper.preAllocSize=4096'],
      ...['-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', ...jvmArgs],
      ...['-cp', `${JAR}:${LOG_JAR}`, MAIN_CLASS, join(folder, 'zoo.cfg')],
    ];
  }

  async #waitUntilReady(child: ChildProcess): Promise<void> {
    const fail = (what: string): never => {
      throw this.#process.failure(what);
    };
    const untilMs = Date.now() + START_TIMEOUT_MS;
    let problem: string | undefined;
    child.once('error', (error) => {
      problem = `could not be started: ${error.message}`;
    });
    for (;;) {
      const answer = await this.ask('srvr').catch(() => '');
      if (/^Mode: /m.test(answer)) return;
      if (problem !== undefined) fail(problem);
      if (child.exitCode !== null || child.signalCode !== null) {
        await this.#process.exited;
        fail(`ended with ${child.exitCode ?? child.signalCode}`);
      }
      if (Date.now() > untilMs) fail(`was not ready after ${START_TIMEOUT_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
    }
  }
}
