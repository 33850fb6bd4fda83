// Real etcd servers for tests and benches: free loopback ports, a temporary folder, and every way of
// ending that a machine knows (SIGTERM, SIGKILL, SIGSTOP) followed by a restart on the same data.
//
// Nothing is left running (server-process.ts): `stop` waits for the end and removes the folder.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Certificates } from './certificates.ts';
import { freePorts, ServerProcess } from './server-process.ts';

const ETCD = process.env['HOLDFAST_TEST_ETCD'] ?? '/usr/bin/etcd';
const START_TIMEOUT_MS = 20_000;
const START_TRIES = 3;
const READY_LINE = /serving client traffic/;
const PORT_TAKEN_LINE = /address already in use/;

export interface EtcdUser {
  readonly name: string;
  readonly password: string;
  /** The user may read and write keys that start with this, and no others; default: all keys. */
  readonly prefix?: string | undefined;
}

export interface EtcdServerOptions {
  /** Turns authentication on and creates this user (besides root, which keeps the same password). */
  readonly user?: EtcdUser | undefined;
  /** Serves clients over TLS with these certificates and asks each client for one of its own. */
  readonly tls?: Certificates | undefined;
  /** Further command-line flags. */
  readonly args?: readonly string[] | undefined;
}

/** One running etcd; disposing stops it. */
export interface EtcdServer extends AsyncDisposable {
  /** HOST:PORT for clients; the same over restarts. */
  readonly endpoint: string;
  /** The process id of the present incarnation. */
  readonly pid: number;
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
  /**
   * One call of etcd's JSON gateway, such as `/v3/lease/revoke`; resolves with the answer. Where
   * authentication is on, it is root's.
   */
  call(path: string, body: unknown): Promise<unknown>;
}

/** Several etcd servers that form one cluster; disposing stops all of them. */
export interface EtcdCluster extends AsyncDisposable {
  readonly members: readonly EtcdServer[];
  readonly endpoints: readonly string[];
  stop(): Promise<void>;
}

/** Starts one etcd server and resolves when it serves clients. */
export async function startEtcd(options: EtcdServerOptions = {}): Promise<EtcdServer> {
  for (let tryNumber = 1; ; tryNumber += 1) {
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    const process = new EtcdProcess({
      clientPort,
      peerPort,
      name: 'test',
      initialCluster: `test=http://127.0.0.1:${peerPort}`,
      options,
    });
    try {
      await process.restart();
      await process.enableAuthentication();
      return process;
    } catch (error) {
      await process.stop();
      // Another process may have taken a port since it was found free.
      if (tryNumber >= START_TRIES || !PORT_TAKEN_LINE.test(String(error))) throw error;
    }
  }
}

export interface EtcdClusterOptions extends EtcdServerOptions {
  /** Members; 3 by default. */
  readonly size?: number | undefined;
  /**
   * Told where the members listen for each other (HOST:PORT, in their order), gives the addresses at
   * which they are to reach each other: those of proxies, for instance. Default: the same.
   */
  readonly advertisePeers?:
    | ((listening: readonly string[]) => Promise<readonly string[]>)
    | undefined;
  /** A folder for the data of the member of that number, instead of a temporary one. */
  readonly dataFolder?: ((member: number) => string | undefined) | undefined;
}

/** Starts a cluster and resolves when all of its members serve clients. */
export async function startEtcdCluster(options: EtcdClusterOptions = {}): Promise<EtcdCluster> {
  const size = options.size ?? 3;
  const ports = await freePorts(2 * size);
  const peerPorts = ports.slice(size, 2 * size);
  const listening = peerPorts.map((port) => `127.0.0.1:${port}`);
  const advertised = (await options.advertisePeers?.(listening)) ?? listening;
  const initialCluster = advertised
    .map((address, index) => `test${index}=http://${address}`)
    .join(',');
  const members = peerPorts.map(
    (peerPort, index) =>
      new EtcdProcess({
        clientPort: ports[index] ?? 0,
        peerPort,
        name: `test${index}`,
        advertisedPeer: advertised[index],
        dataFolder: options.dataFolder?.(index),
        initialCluster,
        options,
      }),
  );
  const stop = async (): Promise<void> => {
    await Promise.all(members.map((member) => member.stop()));
  };
  try {
    await Promise.all(members.map((member) => member.restart()));
    // What one member does for users, all learn of.
    await members[0]?.enableAuthentication();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    members,
    endpoints: members.map((member) => member.endpoint),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface EtcdProcessOptions {
  readonly clientPort: number;
  readonly peerPort: number;
  readonly name: string;
  /** HOST:PORT at which other members reach it; default: where it listens. */
  readonly advertisedPeer?: string | undefined;
  /** Default: a temporary folder. */
  readonly dataFolder?: string | undefined;
  readonly initialCluster: string;
  readonly options: EtcdServerOptions;
}

class EtcdProcess implements EtcdServer {
  readonly endpoint: string;
  readonly #settings: EtcdProcessOptions;
  readonly #process: ServerProcess;
  #folder: string | undefined;
  /** Known once authentication is on. */
  #rootPassword: string | undefined;

  constructor(settings: EtcdProcessOptions) {
    this.#settings = settings;
    this.endpoint = `127.0.0.1:${settings.clientPort}`;
    this.#process = new ServerProcess(`etcd at ${this.endpoint}`);
  }

  get pid(): number {
    return this.#process.pid;
  }

  async restart(): Promise<void> {
    await this.#process.end('SIGTERM');
    this.#folder ??= this.#settings.dataFolder ?? (await mkdtemp(join(tmpdir(), 'holdfast-etcd-')));
    await startAndWait(this.#process, this.#args(this.#folder));
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

  async call(path: string, body: unknown): Promise<unknown> {
    const { tls } = this.#settings.options;
    const { endpoint } = this;
    const token = this.#rootPassword && (await this.#logIn(this.#rootPassword));
    return JSON.parse(await postJson({ endpoint, tls, path, body, token })) as unknown;
  }

  /** Turns authentication on and creates the user of the options, if there is one. */
  async enableAuthentication(): Promise<void> {
    const { user } = this.#settings.options;
    if (!user) return;
    await createUser(this, user);
    this.#rootPassword = user.password;
  }

  async #logIn(password: string): Promise<string> {
    const { tls } = this.#settings.options;
    const answer = await postJson({
      endpoint: this.endpoint,
      tls,
      path: '/v3/auth/authenticate',
      body: { name: 'root', password },
      token: undefined,
    });
    return `${(JSON.parse(answer) as { token?: string }).token}`; // The gateway's own form.
  }

  #args(folder: string): string[] {
    const { clientPort, peerPort, name, advertisedPeer, initialCluster, options } = this.#settings;
    const clientUrl = `${options.tls ? 'https' : 'http'}://127.0.0.1:${clientPort}`;
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    const advertisedUrl = advertisedPeer === undefined ? peerUrl : `http://${advertisedPeer}`;
    const tlsArgs = options.tls
      ? [
          ...['--client-cert-auth', '--trusted-ca-file', options.tls.ca],
          ...['--cert-file', options.tls.serverCert, '--key-file', options.tls.serverKey],
        ]
      : [];
    return [
      ...['--name', name, '--data-dir', folder, '--logger', 'zap'],
      ...['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl],
      ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', advertisedUrl],
      ...['--initial-cluster', initialCluster],
      ...tlsArgs,
      ...(options.args ?? []),
    ];
  }
}

function startAndWait(server: ServerProcess, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (what: string): void => {
      clearTimeout(timer);
      reject(server.failure(what));
    };
    const timer = setTimeout(
      () => fail(`was not ready after ${START_TIMEOUT_MS} ms`),
      START_TIMEOUT_MS,
    );
    const child = server.start(ETCD, args, (line) => {
      if (!READY_LINE.test(line)) return;
      clearTimeout(timer);
      resolve();
    });
    child.once('error', (error) => fail(`could not be started: ${error.message}`));
    child.once('close', (code, signal) => fail(`ended with ${code ?? signal}`));
  });
}

async function createUser(server: EtcdServer, user: EtcdUser): Promise<void> {
  const call = (path: string, body: unknown): Promise<unknown> => server.call(path, body);
  const prefix = Buffer.from(user.prefix ?? '');
  const permission = {
    permType: 'READWRITE',
    key: (user.prefix === undefined ? Buffer.of(0) : prefix).toString('base64'),
    range_end: (user.prefix === undefined ? Buffer.of(0) : rangeEnd(prefix)).toString('base64'),
  };
  await call('/v3/auth/role/add', { name: 'root' });
  await call('/v3/auth/user/add', { name: 'root', password: user.password });
  await call('/v3/auth/user/grant', { user: 'root', role: 'root' });
  await call('/v3/auth/role/add', { name: 'holdfast' });
  await call('/v3/auth/role/grant', { name: 'holdfast', perm: permission });
  if (user.name !== 'root') {
    await call('/v3/auth/user/add', { name: user.name, password: user.password });
    await call('/v3/auth/user/grant', { user: user.name, role: 'holdfast' });
  }
  await call('/v3/auth/enable', {});
}

/** The first key after all those that start with `prefix`. */
function rangeEnd(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}

async function postJson(call: {
  readonly endpoint: string;
  readonly tls: Certificates | undefined;
  readonly path: string;
  readonly body: unknown;
  readonly token: string | undefined;
}): Promise<string> {
  const { endpoint, tls, path, body, token } = call;
  const secrets = tls && {
    ca: await readFile(tls.ca),
    cert: await readFile(tls.clientCert),
    key: await readFile(tls.clientKey),
  };
  return new Promise((resolve, reject) => {
    const url = `${tls ? 'https' : 'http'}://${endpoint}${path}`;
    const headers = token === undefined ? {} : { authorization: token };
    const options = { method: 'POST', agent: false, headers, ...secrets };
    const request = tls ? httpsRequest(url, options) : httpRequest(url, options);
    request.once('error', reject);
    request.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`etcd at ${endpoint} refused ${path}: ${text}`));
      });
    });
    request.end(JSON.stringify(body));
  });
}
