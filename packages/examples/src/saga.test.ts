import { TerminalError } from '@holdfast/core';
import { testEveryCrash, testFlow } from '@holdfast/flow/testing';
import { describe, expect, it } from 'vitest';
import { type Hotel, type TripInput, trip } from './saga.ts';

const grand: Hotel = { name: 'Grand', freeRooms: 0, distanceKm: 1, hasShuttle: true };
const lodge: Hotel = { name: 'Lodge', freeRooms: 4, distanceKm: 60, hasShuttle: false };
const central: Hotel = { name: 'Central', freeRooms: 2, distanceKm: 2, hasShuttle: false };

const input: TripInput = {
  traveller: 'Ada',
  budgetCents: 500_00,
  hotels: [grand, lodge, central],
};
/** Nobody has a room that somebody drives to. */
const hopeless: TripInput = { ...input, hotels: [grand, lodge] };

/** The next hotel has a room, and no shuttle: the round for a taxi has begun. */
const ROOM_WITHOUT_SHUTTLE = [
  'stay.retry: retrying -> running',
  'stay.retry: running -> success',
  'book-room: pending -> running',
  'book-room: running -> success',
  'book-transfer.retry: pending -> running',
  'book-transfer.retry: running -> success',
  'book-transfer: pending -> running',
  'book-transfer: running -> failure',
  'book-transfer.retry: success -> retrying',
  'book-transfer: failure -> reverting',
  'book-transfer: reverting -> reverted',
  'book-transfer.retry: retrying -> running',
  'book-transfer.retry: running -> success',
  'book-transfer: pending -> running',
];

/** The Grand is full; a room at the Lodge is given back, because neither shuttle nor taxi goes there. */
const FIRST_TWO_HOTELS = [
  'book-seat: pending -> running',
  'book-seat: running -> success',
  'stay.retry: pending -> running',
  'stay.retry: running -> success',
  'book-room: pending -> running',
  'book-room: running -> failure',
  'stay.retry: success -> retrying',
  'book-room: failure -> reverting',
  'book-room: reverting -> reverted',
  ...ROOM_WITHOUT_SHUTTLE,
  'book-transfer: running -> failure',
];

const THIRD_HOTEL_BY_TAXI = [
  'stay.retry: success -> retrying',
  'book-transfer: failure -> reverting',
  'book-transfer: reverting -> reverted',
  'book-transfer.retry: success -> reverting',
  'book-transfer.retry: reverting -> reverted',
  'book-room: success -> reverting',
  'book-room: reverting -> reverted',
  ...ROOM_WITHOUT_SHUTTLE,
  'book-transfer: running -> success',
];

const ALL_GIVEN_BACK = [
  'book-transfer.retry: success -> reverting',
  'book-transfer.retry: reverting -> reverted',
  'book-room: success -> reverting',
  'book-room: reverting -> reverted',
  'stay.retry: success -> reverting',
  'stay.retry: reverting -> reverted',
  'book-seat: success -> reverting',
  'book-seat: reverting -> reverted',
];

describe('the trip', () => {
  it('goes from hotel to hotel until one has a room and somebody drives there', async () => {
    const trial = await testFlow(trip, { input });
    expect(trial.output).toEqual({
      seat: 'seat of Ada',
      room: 'room at Central',
      transfer: 'taxi to Central',
      paidCents: 480_00,
    });
    expect(trial.trace.lines).toEqual([
      ...FIRST_TWO_HOTELS,
      ...THIRD_HOTEL_BY_TAXI,
      'pay: pending -> running',
      'pay: running -> success',
    ]);
  });

  it('is given back in reverse order when every controller has given up', async () => {
    const trial = await testFlow(trip, { input: hopeless });
    expect(trial.failure).toMatchObject({
      type: 'TerminalError',
      message: 'no taxi goes to Lodge',
      task: 'book-transfer',
    });
    expect(trial.trace.lines).toEqual([
      ...FIRST_TWO_HOTELS,
      'book-transfer: failure -> reverting',
      'book-transfer: reverting -> reverted',
      ...ALL_GIVEN_BACK,
    ]);
  });

  it('is given back when it cannot be paid, because no controller is around that step', async () => {
    const fail = { pay: new TerminalError('the card has expired') };
    const trial = await testFlow(trip, { input, fail });
    expect(trial.failure?.message).toBe('the card has expired');
    expect(trial.trace.lines).toEqual([
      ...FIRST_TWO_HOTELS,
      ...THIRD_HOTEL_BY_TAXI,
      'pay: pending -> running',
      'pay: running -> failure',
      'pay: failure -> reverting',
      'pay: reverting -> reverted',
      'book-transfer: success -> reverting',
      'book-transfer: reverting -> reverted',
      ...ALL_GIVEN_BACK,
    ]);
  });

  it('ends the same after a crash at any commit, also in the middle of giving back', async () => {
    const booked = await testEveryCrash(trip, { input });
    for (const { trial } of booked.interrupted) {
      expect(trial.output).toEqual(booked.uninterrupted.output);
    }
    const givenBack = await testEveryCrash(trip, { input: hopeless });
    for (const { crashAfter, trial } of givenBack.interrupted) {
      expect(trial.failure?.message, `crash ${crashAfter}`).toBe('no taxi goes to Lodge');
      for (const name of ['book-seat', 'book-room', 'book-transfer']) {
        expect(trial.task(name).state, `${name}, crash ${crashAfter}`).toBe('reverted');
      }
    }
  });
});
