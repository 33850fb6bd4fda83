// Which directories are known to be there, so that a commit makes only those that may be missing.
//
// ZooKeeper removes an empty container after a while, so what stands here may be wrong; a commit that
// finds it so says `forget` and is sent again.

import { CallFailure } from './call-failure.ts';
import { encodeContainer, FAULT, OP } from './messages.ts';
import type { ZooKeeperLink } from './zookeeper-link.ts';

/** Directories that are remembered; the oldest are forgotten, which costs a request each. */
const MAX_KNOWN = 20_000;

/** Makes directories and remembers them. */
export class DirectoryBook {
  readonly #acl: Buffer;
  readonly #known = new Set<string>();
  /** Asked for on a link and not answered yet: what is sent on the same link later finds them. */
  readonly #asked = new WeakMap<ZooKeeperLink, Set<string>>();

  constructor(acl: Buffer) {
    this.#acl = acl;
  }

  /**
   * Sends requests for the directories that are not known, those above first. What is sent on `link`
   * after the call finds them. Resolves when they were answered; fails when one was refused.
   */
  async make(link: ZooKeeperLink, directories: Iterable<string>): Promise<void> {
    const asked = this.#asked.get(link) ?? new Set();
    this.#asked.set(link, asked);
    const answers: Promise<void>[] = [];
    for (const path of directories) {
      if (this.#known.has(path) || asked.has(path)) continue;
      asked.add(path);
      answers.push(this.#ask(link, path).finally(() => asked.delete(path)));
    }
    await Promise.all(answers);
  }

  /** These may be gone. */
  forget(directories: Iterable<string>): void {
    for (const path of directories) this.#known.delete(path);
  }

  async #ask(link: ZooKeeperLink, path: string): Promise<void> {
    try {
      await link.request(OP.createContainer, encodeContainer(path, this.#acl));
    } catch (error) {
      const fault = error instanceof CallFailure ? error.fault : undefined;
      // The one above was removed between two requests: the commit finds out, and tries again.
      if (fault === FAULT.noNode) return;
      if (fault !== FAULT.nodeExists) throw error;
    }
    this.#known.add(path);
    if (this.#known.size <= MAX_KNOWN) return;
    const [oldest] = this.#known;
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}
