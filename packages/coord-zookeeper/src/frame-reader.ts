/** Bytes of the number that stands before each message and tells its length. */
const LENGTH_BYTES = 4;
/** No answer is larger; a longer one means that the two sides no longer understand each other. */
const MAX_FRAME_BYTES = 1_073_741_824;

/**
 * Cuts what a socket brings into messages. What is received is copied at most once, however the
 * pieces fall.
 */
export class FrameReader {
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Bytes of the message that is being received; unknown before its length is there. */
  #needed = LENGTH_BYTES;

  /**
   * Calls `take` with each message that is complete, its length included. Throws a RangeError for an
   * impossible length, and lets pass what `take` throws.
   */
  push(chunk: Buffer, take: (frame: Buffer) => void): void {
    this.#pieces.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#needed) return;
    let rest = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces, this.#bytes);
    this.reset();
    while (rest.length >= LENGTH_BYTES) {
      const length = rest.readInt32BE(0) + LENGTH_BYTES;
      if (length < LENGTH_BYTES || length > MAX_FRAME_BYTES) {
        throw new RangeError(`a message of ${length} bytes cannot be`);
      }
      this.#needed = length;
      if (rest.length < length) break;
      take(rest.subarray(0, length));
      rest = rest.subarray(length);
      this.#needed = LENGTH_BYTES;
    }
    if (rest.length > 0) {
      this.#pieces = [rest];
      this.#bytes = rest.length;
    }
  }

  /** Forgets what was received of a message. */
  reset(): void {
    this.#pieces = [];
    this.#bytes = 0;
    this.#needed = LENGTH_BYTES;
  }
}
