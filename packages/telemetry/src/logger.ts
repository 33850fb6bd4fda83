import { createRequire } from 'node:module';
import { InvalidArgumentError, type Logger } from '@holdfast/core';
import { isSpanContextValid, trace } from '@opentelemetry/api';
import {
  type DestinationStream,
  destination,
  type LoggerOptions,
  pino,
  stdSerializers,
} from 'pino';
import type pinoPretty from 'pino-pretty';

/** From the most to the least; `silent` logs nothing. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The environment variable that sets the level where the option doesn't. */
export const LOG_LEVEL_VARIABLE = 'HOLDFAST_LOG_LEVEL';

const STDERR = 2;

export interface LoggerSettings {
  /** Which part of Holdfast logs, such as `worker`; on every line as `name`. */
  readonly name: string;
  /** Default: `HOLDFAST_LOG_LEVEL`, else `info`. */
  readonly level?: LogLevel | undefined;
  /** A file descriptor, or anything with `write`. Default: stderr, since stdout belongs to a command's output. */
  readonly destination?: number | DestinationStream | undefined;
  /** For people instead of JSON. Default: where the destination is stderr and that is a terminal. */
  readonly pretty?: boolean | undefined;
}

/**
 * A logger over pino. Each line is written before the call returns, so that the last lines of a
 * process that is killed aren't lost, and carries `trace_id` and `span_id` of the active span.
 *
 * Throws InvalidArgumentError for an unknown level, wherever it came from.
 */
export function createLogger(settings: LoggerSettings): Logger {
  const { destination: wanted = STDERR } = settings;
  const isPretty = settings.pretty ?? (wanted === STDERR && process.stderr.isTTY === true);
  const options: LoggerOptions = {
    name: settings.name,
    level: resolveLevel(settings.level),
    mixin: activeSpan,
    serializers: { error: stdSerializers.err, err: stdSerializers.err },
  };
  return pino(options, isPretty ? prettyStream(wanted) : plainStream(wanted));
}

function resolveLevel(level: LogLevel | undefined): LogLevel {
  if (level !== undefined) return parseLevel(level, 'level');
  const variable = process.env[LOG_LEVEL_VARIABLE];
  return variable === undefined || variable === ''
    ? 'info'
    : parseLevel(variable, LOG_LEVEL_VARIABLE);
}

function parseLevel(text: string, field: string): LogLevel {
  const level = LOG_LEVELS.find((known) => known === text.toLowerCase());
  if (!level)
    throw new InvalidArgumentError(field, { value: text, allowed: LOG_LEVELS.join(', ') });
  return level;
}

function plainStream(wanted: number | DestinationStream): DestinationStream {
  return typeof wanted === 'number' ? destination({ dest: wanted, sync: true }) : wanted;
}

/**
 * Formats line by line rather than through pino-pretty's own stream, which writes only on a later
 * turn of the event loop. Loaded only where someone reads it: it costs 40 ms.
 */
function prettyStream(wanted: number | DestinationStream): DestinationStream {
  // A CommonJS module gives its exports object, which the type of its default export describes.
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as typeof pinoPretty;
  const format = prettyFactory({
    colorize: wanted === STDERR && process.stderr.isTTY === true,
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss.l',
  });
  const plain = plainStream(wanted);
  return { write: (line) => plain.write(format(line)) };
}

function activeSpan(): object {
  const span = trace.getActiveSpan()?.spanContext();
  if (!span || !isSpanContextValid(span)) return {};
  return { trace_id: span.traceId, span_id: span.spanId };
}
