import { readFile } from 'node:fs/promises';
import { checkJsonDepth, InvalidArgumentError, LIMITS, PayloadTooLargeError } from '@holdfast/core';
import type { Terminal } from './terminal.ts';

/** The option that the input of a job is given by. */
const INPUT = '--input';

/**
 * The input of a job, or another value that the option `field` gives: JSON as given, `@FILE` for a
 * file's content, `-` for what comes on standard input. Throws an InvalidArgumentError where that
 * isn't JSON, and a PayloadTooLargeError.
 */
export async function readJobInput(
  argument: string,
  stdin: Terminal['stdin'],
  field: string = INPUT,
): Promise<unknown> {
  const bytes = await readBytes(argument, stdin, field);
  if (bytes.length > LIMITS.payloadBytes) throw tooLarge(bytes.length, field);
  try {
    checkJsonDepth(bytes);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return JSON.parse(text, refuseInexact(field)) as unknown;
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error;
    const problem = error instanceof Error ? error.message : String(error);
    const description = `${describeSource(argument)} can't be read as JSON: ${problem}`;
    throw refused(description, field, error);
  }
}

type Reviver = (key: string, value: unknown, context?: { readonly source?: string }) => unknown;

/** A reviver that refuses whole numbers that JavaScript would round without a word. */
function refuseInexact(field: string): Reviver {
  return (_key, value, context) => {
    const source = context?.source ?? '';
    if (typeof value === 'number' && /^-?\d+$/.test(source) && !Number.isSafeInteger(value)) {
      const description = `${source} can't be held exactly as a number; write it as a string`;
      throw new InvalidArgumentError([{ field, description }]);
    }
    return value;
  };
}

async function readBytes(
  argument: string,
  stdin: Terminal['stdin'],
  field: string,
): Promise<Uint8Array> {
  if (argument === '-') return readStream(stdin, field);
  if (!argument.startsWith('@')) return new TextEncoder().encode(argument);
  try {
    return await readFile(argument.slice(1));
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw refused(`${describeSource(argument)} can't be read: ${problem}`, field, error);
  }
}

async function readStream(stdin: Terminal['stdin'], field: string): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of stdin as AsyncIterable<Buffer>) {
    size += piece.length;
    // What follows could only make it larger; nothing is gained by reading it.
    if (size > LIMITS.payloadBytes) throw tooLarge(size, field);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function describeSource(argument: string): string {
  if (argument === '-') return 'what came on standard input';
  return argument.startsWith('@') ? argument.slice(1) : 'it';
}

function tooLarge(sizeBytes: number, field: string): PayloadTooLargeError {
  return new PayloadTooLargeError(field, { sizeBytes, limitBytes: LIMITS.payloadBytes });
}

function refused(description: string, field: string, cause: unknown): InvalidArgumentError {
  const error = new InvalidArgumentError([{ field, description }]);
  // InvalidArgumentError takes no cause; HOLDFAST_LOG_LEVEL=debug prints it.
  error.cause = cause;
  return error;
}
