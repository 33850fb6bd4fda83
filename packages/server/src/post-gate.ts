/**
 * Back-pressure on posts: how much may be on its way to the store at once.
 *
 * A producer that posts faster than the store takes would otherwise fill the server's memory. What
 * the gate turns away was not looked at and not stored, and its producer is told to come back.
 */
import { HoldfastError, LIMITS } from '@holdfast/core';

/** What a request adds to what is on its way. */
export interface PostLoad {
  readonly jobs: number;
  /** Of all inputs. */
  readonly bytes: number;
}

/** See the head of this file. One per server. */
export class PostGate {
  readonly #limit: PostLoad;
  #jobs = 0;
  #bytes = 0;

  constructor(limit: PostLoad) {
    this.#limit = limit;
  }

  /** What is on its way now. */
  get load(): PostLoad {
    return { jobs: this.#jobs, bytes: this.#bytes };
  }

  /**
   * Runs `post` and counts `load` until it has settled. Throws RESOURCE_EXHAUSTED, without calling
   * it, when that would be too much; a request that is alone is always let through.
   */
  async pass<T>(load: PostLoad, post: () => Promise<T>): Promise<T> {
    this.#checkRoom(load);
    this.#jobs += load.jobs;
    this.#bytes += load.bytes;
    try {
      return await post();
    } finally {
      this.#jobs -= load.jobs;
      this.#bytes -= load.bytes;
    }
  }

  #checkRoom(load: PostLoad): void {
    const isAlone = this.#jobs === 0;
    const fits =
      this.#jobs + load.jobs <= this.#limit.jobs && this.#bytes + load.bytes <= this.#limit.bytes;
    if (isAlone || fits) return;
    throw new HoldfastError(
      'RESOURCE_EXHAUSTED',
      `this server has ${this.#jobs} jobs of ${this.#bytes} bytes on their way to the store, and ` +
        `takes ${this.#limit.jobs} of ${this.#limit.bytes} bytes at once; nothing was posted. ` +
        `Post again after a pause, or fewer at a time (at most ${LIMITS.jobsPerPost} to a request)`,
    );
  }
}
