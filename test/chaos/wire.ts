// The links of one process to the store: one fault proxy for each member.
import { FaultProxy, type LinkFault } from './fault-proxy.ts';

/** See the head of this file. */
export class Wire implements AsyncDisposable {
  readonly #proxies: readonly FaultProxy[];

  private constructor(proxies: readonly FaultProxy[]) {
    this.#proxies = proxies;
  }

  static async open(endpoints: readonly string[]): Promise<Wire> {
    return new Wire(await Promise.all(endpoints.map((target) => FaultProxy.open({ target }))));
  }

  /** Where the members are for this process, in their order. */
  get endpoints(): readonly string[] {
    return this.#proxies.map((proxy) => proxy.address);
  }

  /** Makes the links to all members bad; the returned function lifts that. */
  inject(fault: LinkFault): () => void {
    const heals = this.#proxies.map((proxy) => proxy.inject(fault));
    return () => {
      for (const heal of heals) heal();
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
  }
}
