import { TerminalError } from '@holdfast/core';
import {
  type Flow,
  flow,
  forEach,
  linear,
  parameterizedForEach,
  type RevertContext,
  task,
  withRetry,
} from '@holdfast/flow';
import { z } from 'zod';

/** A hotel as its booking system tells of it. */
export interface Hotel {
  readonly name: string;
  readonly freeRooms: number;
  /** From the station. */
  readonly distanceKm: number;
  readonly hasShuttle: boolean;
}

/** What to book. */
export interface TripInput {
  readonly traveller: string;
  readonly budgetCents: number;
  /** The best one first. */
  readonly hotels: readonly Hotel[];
}

/** What is booked. */
export interface TripOutput {
  readonly seat: string;
  readonly room: string;
  readonly transfer: string;
  readonly paidCents: number;
}

const PRICE_CENTS = 480_00;
const TAXI_MAX_KM = 30;

const traveller = z.string().min(1);
const hotel = z.object({
  name: z.string(),
  freeRooms: z.int().nonnegative(),
  distanceKm: z.number().nonnegative(),
  hasShuttle: z.boolean(),
});
const hotels = z.array(hotel).min(1).readonly();

const bookSeat = task({
  name: 'book-seat',
  requires: { traveller },
  provides: { seat: z.string() },
  execute: (values) => ({ seat: `seat of ${values.traveller}` }),
  revert: (_values, ctx) => giveBack(ctx),
});

const bookRoom = task({
  name: 'book-room',
  requires: { hotel, traveller },
  provides: { room: z.string() },
  execute: (values) => {
    if (values.hotel.freeRooms === 0) throw new TerminalError(`${values.hotel.name} is full`);
    return { room: `room at ${values.hotel.name}` };
  },
  revert: (_values, ctx) => giveBack(ctx),
});

const bookTransfer = task({
  name: 'book-transfer',
  requires: { hotel, vehicle: z.enum(['shuttle', 'taxi']) },
  provides: { transfer: z.string() },
  execute: ({ hotel: { name, distanceKm, hasShuttle }, vehicle }) => {
    const goesThere = vehicle === 'shuttle' ? hasShuttle : distanceKm <= TAXI_MAX_KM;
    if (!goesThere) throw new TerminalError(`no ${vehicle} goes to ${name}`);
    return { transfer: `${vehicle} to ${name}` };
  },
  revert: (_values, ctx) => giveBack(ctx),
});

const pay = task({
  name: 'pay',
  requires: { budgetCents: z.int() },
  provides: { paidCents: z.int() },
  execute: ({ budgetCents }) => {
    if (budgetCents < PRICE_CENTS) throw new TerminalError('the budget is too small');
    return { paidCents: PRICE_CENTS };
  },
});

// First the shuttle, then a taxi. When neither goes there, the controller around is asked.
const transfer = withRetry(
  forEach({ values: ['shuttle', 'taxi'], provides: 'vehicle' }),
  bookTransfer,
);

// Hotel after hotel: each further round first gives back the room of the last.
const stay = withRetry(
  parameterizedForEach({ values: 'hotels', schema: hotel, provides: 'hotel' }),
  linear('stay', bookRoom, transfer),
);

/**
 * A trip that is booked as a whole or not at all: what fails for good makes the nearest retry controller
 * try something else, and when all of them have given up, what was booked is given back in reverse order.
 */
export const trip: Flow<TripInput, TripOutput> = flow({
  name: 'trip',
  description: 'Books seat, room and transfer, and pays',
  input: z.object({ traveller, budgetCents: z.int(), hotels }),
  body: linear('trip', bookSeat, stay, pay),
  output: ['seat', 'room', 'transfer', 'paidCents'],
});

/**
 * A try that failed or was cut off is reverted too, and has no result: the key that it booked under
 * finds what there may be to give back.
 */
function giveBack({ executeIdempotencyKey, result, log }: RevertContext): void {
  log.info({ key: executeIdempotencyKey, booked: result ?? 'nothing' }, 'given back');
}
