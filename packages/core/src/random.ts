/** The source of randomness, injected so that a run can be repeated from its seed. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `length` random bytes. */
  bytes(length: number): Uint8Array;
}

/** A delay between `(1 - ratio) * ms` and `(1 + ratio) * ms`, so that loops don't march in step. */
export function jitter(random: Random, ms: number, ratio = 0.2): number {
  return ms * (1 + ratio * (2 * random.next() - 1));
}

/**
 * A repeatable {@link Random} from a 32-bit seed, for tests and simulations; not for secrets.
 * The generator is mulberry32 (Tommy Ettinger, public domain).
 */
export function createSeededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    next,
    bytes: (length) => Uint8Array.from({ length }, () => Math.floor(next() * 256)),
  };
}
