// The part of `node-zookeeper-client` 1.1.3 that is used here, with the types that it lacks.
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';

/** A member of the ensemble, as the client names it. */
export interface Server {
  readonly host: string;
  readonly port: number;
}

/** The client's own connection; see zookeeper-link.ts for what is done with it. */
export interface ConnectionManager extends EventEmitter {
  readonly servers: readonly Server[];
  /** One of its STATES, by number. */
  readonly state: number;
  /** The present socket; undefined before the first. */
  readonly socket: Socket | undefined;
  readonly connectTimeoutHandler: NodeJS.Timeout | null;
  /** The last transaction this client has seen; shown to the next server it connects to. */
  zxid: Buffer;
  /** Reads what a socket brings; looked up anew for each socket. */
  onSocketData: (chunk: Buffer) => void;
  /** Chooses the server to connect to next. */
  findNextServer: (connect: (server: Server) => void) => void;
  setState(state: number): void;
}

/** One client: one session of ZooKeeper. */
export interface Client {
  readonly connectionManager: ConnectionManager;
  connect(): void;
  /** Ends the session at the server. */
  close(): void;
  addAuthInfo(scheme: string, auth: Buffer): void;
  getSessionId(): Buffer;
  /** What the server granted, in milliseconds. */
  getSessionTimeout(): number;
}

interface ClientModule {
  createClient(
    servers: string,
    options: { readonly sessionTimeout: number; readonly retries: number },
  ): Client;
}

const require = createRequire(import.meta.url);
const clientModule = require('node-zookeeper-client') as ClientModule; // The package has no types.

/** Makes a client that is not connected yet; `servers` is HOST:PORT of each, with commas between. */
export function createZooKeeperClient(servers: string, sessionTimeoutMs: number): Client {
  return clientModule.createClient(servers, { sessionTimeout: sessionTimeoutMs, retries: 0 });
}
