// How a handle learns that another process (or another handle of this one) has committed.
//
// Each commit appends to the write-ahead log, so the file system reports a change in the directory;
// `PRAGMA data_version` then tells, for the price of a read, whether it was somebody else's. Where the
// file system can't report (some network and container mounts), the caller's regular `check` is what
// remains.
//
// Invariants:
//   F1. Whatever was committed by others before a `check` is reported by that check or was before it.
//   F2. Reports come at most once per CHECK_PAUSE_MS, however fast others commit: the first at once.
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Clock, Logger, Timer } from '@holdfast/core';
import { fromUnknown } from '@holdfast/core';
import { isBusy } from './sqlite-error.ts';

/** The least time between two checks that the file system asks for, in milliseconds. */
const CHECK_PAUSE_MS = 5;

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
  #isCheckDue = false;

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
    if (this.#pause) {
      this.#isCheckDue = true;
      return;
    }
    this.#isCheckDue = false;
    this.check();
    this.#pause = this.#options.clock.startTimer(CHECK_PAUSE_MS, () => {
      this.#pause = undefined;
      if (this.#isCheckDue) this.#noticed();
    });
  }
}
