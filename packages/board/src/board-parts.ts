import type { Coord } from '@holdfast/coord';
import type { Clock, Logger, Random } from '@holdfast/core';
import type { BoardObserver } from './observer.ts';
import type { ReadyBuckets } from './ready-buckets.ts';
import type { ParentTeller } from './task-ends.ts';

/** What every piece of the board works with. */
export interface BoardParts {
  readonly coord: Coord;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly observer: BoardObserver;
  readonly buckets: ReadyBuckets;
  readonly teller: ParentTeller;
}
