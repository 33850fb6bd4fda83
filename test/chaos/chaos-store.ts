// What a chaos campaign needs of a store, whichever it is: members that can be killed, stopped and
// started again, links between them that can be made bad, and what else can go wrong with it alone.
import type { LinkFault } from './fault-proxy.ts';

/** The kinds of stores that a campaign can run on. */
export type ChaosStoreKind = 'etcd' | 'zookeeper';

/** One member of the store. */
export interface StoreMember {
  /** HOST:PORT for clients, without any proxy; the same over restarts. */
  readonly endpoint: string;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nobody answers. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Ends the process in order if it runs, and starts it again on the same ports and data. */
  restart(): Promise<void>;
}

/** A fault that only this kind of store has. */
export interface StoreFault {
  /** As the table names it. */
  readonly kind: string;
  /**
   * Brings the fault about, keeps it up for `holdMs` where it lasts, and resolves when all of it is
   * healed. `member` is the member concerned, where it concerns one.
   */
  run(options: { readonly holdMs: number; readonly member: number }): Promise<void>;
}

/** A store of several members on loopback; disposing ends all of it and removes its data. */
export interface ChaosStore extends AsyncDisposable {
  readonly kind: ChaosStoreKind;
  /** Its program and version, for the report. */
  readonly version: string;
  readonly members: readonly StoreMember[];
  readonly faults: readonly StoreFault[];
  /** Faults that can't be made on this machine, each with the reason. */
  readonly missing: readonly string[];
  /** The URL by which Holdfast reaches the store when its members are at these addresses. */
  url(endpoints: readonly string[]): string;
  /** The number of the member that leads now; undefined when none does, or none says so in time. */
  leader(): Promise<number | undefined>;
  /** Makes the link between two members bad, both ways; the returned function lifts that. */
  breakLink(a: number, b: number, fault: LinkFault): () => void;
}
