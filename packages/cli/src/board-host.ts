import { Board } from '@holdfast/board';
import type { Coord } from '@holdfast/coord';
import { type Clock, type Logger, systemClock, systemRandom } from '@holdfast/core';
import { createInstruments, createLogger, type Instruments } from '@holdfast/telemetry';
import { startTelemetry } from '@holdfast/telemetry/setup';
import { openStore } from './open-store.ts';
import { readVersion } from './version.ts';

/** A board on an open store, with what a process reports about itself. */
export interface BoardHost extends AsyncDisposable {
  readonly board: Board;
  readonly coord: Coord;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly instruments: Instruments;
}

export interface BoardHostOptions {
  /** Store URL. */
  readonly store: string;
  /** Which part of Holdfast this process is: names its logs and its traces. */
  readonly name: 'server' | 'worker' | 'dev' | 'supervisor' | 'doctor';
}

// They do nothing that a trace or a metric tells of, and would only be counted as members of the fleet.
const WITHOUT_TELEMETRY: readonly string[] = ['supervisor', 'doctor'];

/**
 * Opens the store and a board on it. Disposing closes both and sends the last spans and metrics.
 * Throws a StoreUrlError, or an UnavailableError when the store can't be reached.
 */
export async function openBoard(options: BoardHostOptions): Promise<BoardHost> {
  const { name } = options;
  const logger = createLogger({ name });
  const clock = systemClock;
  const telemetry = WITHOUT_TELEMETRY.includes(name)
    ? undefined
    : await startTelemetry({
        serviceName: `holdfast-${name}`,
        serviceVersion: readVersion(),
        logger,
      });
  const instruments = createInstruments();
  let coord: Coord;
  try {
    coord = await openStore(options.store, { clock, random: systemRandom, logger });
  } catch (error) {
    await telemetry?.stop();
    throw error;
  }
  const forgetStore = instruments.observeStore(coord.stats);
  const board = new Board({ coord, clock, logger, observer: instruments.board });
  return {
    board,
    coord,
    clock,
    logger,
    instruments,
    [Symbol.asyncDispose]: async () => {
      forgetStore();
      await coord.stop();
      await telemetry?.stop();
    },
  };
}
