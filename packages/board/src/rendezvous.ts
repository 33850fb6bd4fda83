// Rendezvous (highest random weight) hashing: which of the live workers should take a job first, so
// that claims rarely collide although nobody asks anybody (Thaler and Ravishankar, 1998).

/** The worker among `workers` with the highest weight for `id`; undefined when there are none. */
export function preferredWorker(id: string, workers: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestWeight = -1;
  for (const worker of workers) {
    const weight = hash(worker, id);
    if (weight > bestWeight) {
      best = worker;
      bestWeight = weight;
    }
  }
  return best;
}

/** FNV-1a over both texts with a final mix: fast, and even enough to share work. Not for secrets. */
function hash(worker: string, id: string): number {
  let state = 0x811c9dc5;
  for (const text of [worker, id]) {
    for (let index = 0; index < text.length; index += 1) {
      state = Math.imul(state ^ text.charCodeAt(index), 0x01000193);
    }
  }
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  return (state ^ (state >>> 13)) >>> 0;
}
