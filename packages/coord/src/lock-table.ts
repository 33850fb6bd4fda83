// Which commits may be on their way at the same time: the bookkeeping behind group commit.
//
// One line per key, in order of arrival. Readers (guards) at the head of a line are admitted
// together, a writer alone. A commit that guards and writes a key counts as its writer.
import type { Commit, Key } from './coord.ts';

/** One commit's place in the line of one key. */
interface Place<Owner> {
  readonly line: Line<Owner>;
  readonly isWriter: boolean;
  readonly request: LockRequest<Owner>;
  isAdmitted: boolean;
  previous: Place<Owner> | undefined;
  next: Place<Owner> | undefined;
}

/** A doubly linked list, so that a commit that was given up leaves the middle at no cost. */
interface Line<Owner> {
  readonly key: Key;
  first: Place<Owner> | undefined;
  last: Place<Owner> | undefined;
}

/** What one commit asks for. Made by {@link LockTable.request}, used once. */
export interface LockRequest<Owner> {
  readonly wants: ReadonlyMap<Key, boolean>;
  readonly places: Place<Owner>[];
  owner: Owner | undefined;
  notAdmitted: number;
}

/** Admits commits so that no two admitted ones conflict, and those that do keep their order. */
export class LockTable<Owner> {
  readonly #lines = new Map<Key, Line<Owner>>();

  /** The keys that a commit reads (false) and writes (true). */
  request(commit: Commit): LockRequest<Owner> {
    const wants = new Map<Key, boolean>();
    for (const guard of commit.when) wants.set(guard.key, false);
    for (const write of commit.write) wants.set(write.key, true);
    return { wants, places: [], owner: undefined, notAdmitted: 0 };
  }

  /** Joins the end of every line; true when admitted in all of them at once. */
  enter(request: LockRequest<Owner>, owner: Owner): boolean {
    request.owner = owner;
    for (const [key, isWriter] of request.wants) {
      const place = this.#join(request, key, isWriter);
      request.places.push(place);
      if (!place.isAdmitted) request.notAdmitted += 1;
    }
    return request.notAdmitted === 0;
  }

  /** Leaves every line; returns the owners that are admitted everywhere now because of it. */
  leave(request: LockRequest<Owner>): Owner[] {
    const admitted: Owner[] = [];
    for (const place of request.places) {
      unlink(place);
      admitBehind(place.next, admitted);
      if (!place.line.first) this.#lines.delete(place.line.key);
    }
    request.places.length = 0;
    return admitted;
  }

  /** Lines that somebody stands in; 0 when nothing is going on. */
  get size(): number {
    return this.#lines.size;
  }

  #join(request: LockRequest<Owner>, key: Key, isWriter: boolean): Place<Owner> {
    let line = this.#lines.get(key);
    if (!line) {
      line = { key, first: undefined, last: undefined };
      this.#lines.set(key, line);
    }
    const { last } = line;
    const isAdmitted = !last || (!isWriter && last.isAdmitted && !last.isWriter);
    const place = { line, isWriter, request, isAdmitted, previous: last, next: undefined };
    if (last) last.next = place;
    else line.first = place;
    line.last = place;
    return place;
  }
}

function unlink<Owner>(place: Place<Owner>): void {
  if (place.previous) place.previous.next = place.next;
  else place.line.first = place.next;
  if (place.next) place.next.previous = place.previous;
  else place.line.last = place.previous;
}

/**
 * After a place was taken out of a line: admits whom only that place held back. `next` is who stood
 * behind it. The cost is the number of places that are admitted now, not the length of the line.
 */
function admitBehind<Owner>(next: Place<Owner> | undefined, admitted: Owner[]): void {
  const before = next?.previous;
  const isBehindReaders = before !== undefined && before.isAdmitted && !before.isWriter;
  if (before && !isBehindReaders) return;
  if (next?.isWriter) {
    if (!before) admit(next, admitted);
    return;
  }
  for (let place = next; place && !place.isWriter && !place.isAdmitted; place = place.next) {
    admit(place, admitted);
  }
}

function admit<Owner>(place: Place<Owner>, admitted: Owner[]): void {
  place.isAdmitted = true;
  place.request.notAdmitted -= 1;
  const { owner, notAdmitted } = place.request;
  if (notAdmitted === 0 && owner !== undefined) admitted.push(owner);
}
