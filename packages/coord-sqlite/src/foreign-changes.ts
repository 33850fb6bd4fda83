// How a handle learns that another process (or another handle of this one) has committed.
//
// Each commit appends to the write-ahead log, so the file system reports a change in the directory;
// `PRAGMA data_version` then tells, for the price of a read, whether it was somebody else's. Where the
// file system can't report (some network and container mounts), the caller's regular `check` is what
// remains.
//
// Invariants:
//   F1. Whatever was committed by others before a `check` is reported by that check or was before it.
//   F2. Reports come at most once per FIRST_PAUSE_MS, however fast others commit: the first at once.
//   F3. The file system reports the writing of the log, which comes before the commit can be seen: the
//       disk has to confirm it first. So a report is followed by several looks, ever further apart.
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Clock, Logger, Timer } from '@holdfast/core';
import { fromUnknown } from '@holdfast/core';
import { isBusy } from './sqlite-error.ts';

/** From a report to the second look, in milliseconds; each pause is twice the one before. */
const FIRST_PAUSE_MS = 1;
/** The pause after which there are no more looks until the next report: a slow disk has confirmed by then. */
const LAST_PAUSE_MS = 64;

export interface ForeignChangesOptions {
  readonly db: DatabaseSync;
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Must only record. */
  readonly onChange: () => void;
}

/** Reports commits of others; see the head of this file. */
export class ForeignChanges {
  readonly #options: ForeignChangesOptions;
  readonly #dataVersion: StatementSync;
  #lastVersion: unknown;
  #watcher: FSWatcher | undefined;
  #pause: Timer | undefined;
  #nextPauseMs = FIRST_PAUSE_MS;

  /** Reports from now on. */
  constructor(options: ForeignChangesOptions) {
    this.#options = options;
    this.#dataVersion = options.db.prepare('PRAGMA data_version');
    this.#lastVersion = this.#readVersion();
    this.#startWatching();
  }

  /** Looks whether others have committed since the last look. */
  check(): void {
    const version = this.#readVersion();
    if (version === this.#lastVersion) return;
    this.#lastVersion = version;
    this.#options.onChange();
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#pause?.cancel();
    this.#pause = undefined;
  }

  #readVersion(): unknown {
    try {
      return this.#dataVersion.get()?.['data_version'];
    } catch (error) {
      if (!isBusy(error)) throw error;
      // Another process is just repairing the log after a crash; that is a change in any case.
      return undefined;
    }
  }

  #startWatching(): void {
    const { path, logger } = this.#options;
    // The directory, because the log itself comes and goes.
    const logName = `${basename(path)}-wal`;
    const fail = (error: unknown): void => {
      this.#watcher?.close();
      logger.warn(
        { path, error: fromUnknown(error).message },
        'the file system cannot report changes; looking for them regularly instead',
      );
    };
    try {
      this.#watcher = watch(dirname(path), { persistent: false }, (_, name) => {
        if (name === null || name === logName) this.#noticed();
      });
      this.#watcher.on('error', fail);
    } catch (error) {
      fail(error);
    }
  }

  #noticed(): void {
    this.#nextPauseMs = FIRST_PAUSE_MS;
    if (!this.#pause) this.#look();
  }

  /** F3. */
  #look(): void {
    this.check();
    if (this.#nextPauseMs > LAST_PAUSE_MS) return;
    const pauseMs = this.#nextPauseMs;
    this.#nextPauseMs *= 2;
    this.#pause = this.#options.clock.startTimer(pauseMs, () => {
      this.#pause = undefined;
      this.#look();
    });
  }
}
