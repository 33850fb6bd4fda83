// Boards on a store in this process's memory, and a worker's part in a few lines: what the tests of
// server and client stand on. Real time, real sockets.
import { Board, type Claim, type Member } from '@holdfast/board';
import { type Coord, createMemoryStore, openMemoryCoord } from '@holdfast/coord';
import {
  createWorkerId,
  encodeJson,
  type Failure,
  type JobId,
  pendingAtom,
  systemClock,
  systemRandom,
  toFailure,
} from '@holdfast/core';

const SOURCE = { clock: systemClock, random: systemRandom };

/** JSON Schema of the input of the flow `hello`. */
export const HELLO_SCHEMA: string = JSON.stringify({
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1 },
    times: { type: 'integer', minimum: 1, maximum: 10 },
  },
  required: ['name'],
  additionalProperties: false,
});

/** What the tests know of the flow `hello`. */
export interface HelloFlow {
  readonly name: 'hello';
  readonly '~types'?: {
    readonly input: { readonly name: string; readonly times?: number };
    readonly output: { readonly greeting: string };
  };
}

/** A store with any number of boards on it. */
export class MemoryBoards implements AsyncDisposable {
  readonly #store = createMemoryStore({ clock: systemClock });
  readonly #coords: Coord[] = [];

  /**
   * A board as a process of its own would have it, with the flow `hello` registered. `decorate` puts
   * something between the board and its store.
   */
  async openBoard(decorate: (coord: Coord) => Coord = (coord) => coord): Promise<ObservedBoard> {
    const coord = openMemoryCoord(this.#store, SOURCE);
    await coord.start();
    this.#coords.push(coord);
    const board = new ObservedBoard({ coord: decorate(coord) });
    await registerFlow(board, 'hello', HELLO_SCHEMA);
    return board;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#coords.map((coord) => coord.stop()));
  }
}

/** Registers a flow of one task. */
export async function registerFlow(
  board: Board,
  name: string,
  inputSchemaJson: string,
): Promise<void> {
  await board.registerFlow({
    name,
    description: `The flow ${name}`,
    inputSchemaJson,
    nodes: [
      { name: 'greet', requires: ['name'], provides: ['greeting'], path: [], hasRevert: false },
    ],
    edges: [],
    digest: `${name}:${inputSchemaJson}`,
    registeredAtUnixMs: systemClock.nowUnixMs(),
    registeredBy: 'test',
    version: 1,
  });
}

/** A board that tells when a watcher took a state from it, and can keep readers waiting. */
export class ObservedBoard extends Board {
  /** States that watchers have taken. */
  taken = 0;
  /** What reads of a job wait for. */
  gate: Promise<void> = Promise.resolve();
  #next = Promise.withResolvers<void>();

  /** Resolves when the next state was taken. */
  get nextTaken(): Promise<void> {
    return this.#next.promise;
  }

  override async getJob(id: JobId): ReturnType<Board['getJob']> {
    await this.gate;
    return await super.getJob(id);
  }

  override async *watchJob(
    id: JobId,
    options: Parameters<Board['watchJob']>[1] = {},
  ): ReturnType<Board['watchJob']> {
    for await (const view of super.watchJob(id, options)) {
      yield view;
      this.taken += 1;
      this.#next.resolve();
      this.#next = Promise.withResolvers<void>();
    }
  }
}

/** A member of the fleet that a test moves by hand. */
export class HandWorker {
  readonly #member: Member;

  constructor(member: Member) {
    this.#member = member;
  }

  static async join(board: Board): Promise<HandWorker> {
    const session = await board.parts.coord.openSession({ ttlMs: 10_000 });
    const member = await board.join(
      {
        id: createWorkerId('hand', SOURCE),
        host: 'test',
        pid: 1,
        queues: ['default'],
        flows: ['hello'],
        concurrency: 10,
        startedAtUnixMs: systemClock.nowUnixMs(),
        leaseTtlMs: 10_000,
        version: '0.1.0',
        isDraining: false,
        labels: {},
        served: [],
      },
      session,
    );
    return new HandWorker(member);
  }

  get id(): string {
    return this.#member.id;
  }

  /** Claims the one job that is ready. */
  async claim(id?: JobId): Promise<Claim> {
    for (let tries = 0; tries < 100; tries += 1) {
      const claims = await this.#member.claim({ limit: 1 });
      const [claim] = claims;
      if (claim && (id === undefined || claim.spec.id === id)) return claim;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`there is no job to claim: ${id}`);
  }

  /** `executions` makes one checkpoint differ from another. */
  async checkpoint(claim: Claim, executions = 1): Promise<void> {
    const atom = { ...pendingAtom('greet'), state: 'success' as const, tries: 1, executions };
    await this.#member.checkpoint(claim, [{ ...atom, attempt: claim.status.attempt }]);
  }

  async succeed(claim: Claim, output: unknown): Promise<void> {
    await this.#member.succeed(claim, { atoms: [], output: encodeJson(output) });
  }

  async fail(claim: Claim, thrown: unknown): Promise<Failure> {
    const failure = toFailure(thrown, 'greet');
    await this.#member.fail(claim, { atoms: [], failure });
    return failure;
  }

  async leave(): Promise<void> {
    await this.#member.leave();
  }
}
