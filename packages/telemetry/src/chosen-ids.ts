// Spans whose ids are chosen before they start.
//
// A worker that is killed never exports the span of the attempt it was running. So the id of that
// span is chosen when the job is claimed and stored with the attempt; whoever picks the job up
// afterwards exports the span under that id, and the spans of the tasks that the dead worker did
// export find their parent. OpenTelemetry's API can't name the id of a new span, but its SDK takes
// an id generator: this one gives out the chosen ids while `spanWithId` runs, and random ones else.
//
// Invariant:
//   S1. Ids are chosen and taken within one synchronous call, so no other span can get them.
import type { Random } from '@holdfast/core';

/** The ids a span is to get. The trace id matters for a span without parent only. */
export interface ChosenIds {
  readonly spanId: string;
  readonly traceId?: string | undefined;
}

/** What the SDK asks for ids; structurally the `IdGenerator` of its tracing part. */
export interface IdGenerator {
  generateTraceId(): string;
  generateSpanId(): string;
}

const SPAN_ID_BYTES = 8;
const TRACE_ID_BYTES = 16;

let chosen: ChosenIds | undefined;
let isInstalled = false;

/**
 * Runs `start`, which must start one span synchronously, so that the span gets the chosen ids. With
 * an SDK that wasn't set up by `startTelemetry` the span gets other ids; see {@link canChooseIds}.
 */
export function spanWithId<T>(ids: ChosenIds, start: () => T): T {
  chosen = ids;
  try {
    return start(); // S1
  } finally {
    chosen = undefined;
  }
}

/** True when spans of this process can be given ids, that is, when tracing is on. */
export function canChooseIds(): boolean {
  return isInstalled;
}

/** The generator for the SDK, and `uninstall` for when the SDK is shut down. */
export function installIdGenerator(random: Random): {
  readonly generator: IdGenerator;
  uninstall(): void;
} {
  isInstalled = true;
  return {
    generator: {
      generateTraceId: () => chosen?.traceId ?? randomHex(random, TRACE_ID_BYTES),
      generateSpanId: () => chosen?.spanId ?? createSpanId(random),
    },
    uninstall() {
      isInstalled = false;
    },
  };
}

/** A fresh span id: 16 hex digits, not all zero. */
export function createSpanId(random: Random): string {
  return randomHex(random, SPAN_ID_BYTES);
}

/** Hex digits, not all zero: W3C Trace Context reserves zero for "none". */
function randomHex(random: Random, bytes: number): string {
  for (;;) {
    const hex = Buffer.from(random.bytes(bytes)).toString('hex');
    if (/[1-9a-f]/.test(hex)) return hex;
  }
}
