import { readFile } from 'node:fs/promises';
import { checkJsonDepth, InvalidArgumentError, LIMITS, PayloadTooLargeError } from '@holdfast/core';
import type { Terminal } from './terminal.ts';

const FIELD = '--input';

/**
 * The input of a job: JSON as given, `@FILE` for a file's content, `-` for what comes on standard
 * input. Throws an InvalidArgumentError where that isn't JSON, and a PayloadTooLargeError.
 */
export async function readJobInput(argument: string, stdin: Terminal['stdin']): Promise<unknown> {
  const bytes = await readBytes(argument, stdin);
  if (bytes.length > LIMITS.payloadBytes) throw tooLarge(bytes.length);
  try {
    checkJsonDepth(bytes);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return JSON.parse(text, refuseInexact) as unknown;
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error;
    const problem = error instanceof Error ? error.message : String(error);
    throw refused(`${describeSource(argument)} can't be read as JSON: ${problem}`, error);
  }
}

/** A reviver that refuses whole numbers that JavaScript would round without a word. */
function refuseInexact(
  _key: string,
  value: unknown,
  context?: { readonly source?: string },
): unknown {
  const source = context?.source ?? '';
  if (typeof value === 'number' && /^-?\d+$/.test(source) && !Number.isSafeInteger(value)) {
    const description = `${source} can't be held exactly as a number; write it as a string`;
    throw new InvalidArgumentError([{ field: FIELD, description }]);
  }
  return value;
}

async function readBytes(argument: string, stdin: Terminal['stdin']): Promise<Uint8Array> {
  if (argument === '-') return readStream(stdin);
  if (!argument.startsWith('@')) return new TextEncoder().encode(argument);
  try {
    return await readFile(argument.slice(1));
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw refused(`${describeSource(argument)} can't be read: ${problem}`, error);
  }
}

async function readStream(stdin: Terminal['stdin']): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of stdin as AsyncIterable<Buffer>) {
    size += piece.length;
    // What follows could only make it larger; nothing is gained by reading it.
    if (size > LIMITS.payloadBytes) throw tooLarge(size);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function describeSource(argument: string): string {
  if (argument === '-') return 'what came on standard input';
  return argument.startsWith('@') ? argument.slice(1) : 'it';
}

function tooLarge(sizeBytes: number): PayloadTooLargeError {
  return new PayloadTooLargeError(FIELD, { sizeBytes, limitBytes: LIMITS.payloadBytes });
}

function refused(description: string, cause: unknown): InvalidArgumentError {
  const error = new InvalidArgumentError([{ field: FIELD, description }]);
  // InvalidArgumentError takes no cause; HOLDFAST_LOG_LEVEL=debug prints it.
  error.cause = cause;
  return error;
}
