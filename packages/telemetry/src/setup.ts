// Sets up OpenTelemetry's SDK from the standard OTEL_* variables. Where none of them asks for
// anything nothing is loaded, and everything that reports through the API stays a no-op: off means
// free of cost.
//
// A signal is reported when its own variable names an exporter (OTEL_TRACES_EXPORTER,
// OTEL_METRICS_EXPORTER), or else when an OTLP endpoint is set for it or for all signals. Unlike the
// SDK by itself, an endpoint for traces alone doesn't send metrics to a collector that may not be
// there. Logs go to stderr only, through pino.
import { type Clock, type Logger, sleep, systemClock, systemRandom } from '@holdfast/core';
import {
  context,
  type DiagLogger,
  DiagLogLevel,
  diag,
  metrics,
  propagation,
  trace,
} from '@opentelemetry/api';
import { installIdGenerator } from './chosen-ids.ts';

/** The longest that `stop` waits for the last spans and metrics to go out, in milliseconds. */
export const FLUSH_TIMEOUT_MS = 5000;

export interface TelemetryOptions {
  /** Such as `holdfast-worker`; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over it. */
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** Told of exports that fail. */
  readonly logger: Logger;
  /** For the limit of `stop`. Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** What `startTelemetry` set up. */
export interface Telemetry {
  /** False when no variable asked for anything. */
  readonly isOn: boolean;
  /** Sends what is left, for at most {@link FLUSH_TIMEOUT_MS}, and shuts the SDK down. Never throws. */
  stop(): Promise<void>;
}

/** Which signals the environment asks for. */
export interface RequestedSignals {
  readonly traces: boolean;
  readonly metrics: boolean;
}

/** Reads the standard variables; see the head of this file. */
export function requestedSignals(env: NodeJS.ProcessEnv): RequestedSignals {
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return { traces: false, metrics: false };
  return { traces: isRequested(env, 'TRACES'), metrics: isRequested(env, 'METRICS') };
}

function isRequested(env: NodeJS.ProcessEnv, signal: 'TRACES' | 'METRICS'): boolean {
  const exporter = env[`OTEL_${signal}_EXPORTER`];
  if (exporter) return exporter.trim() !== 'none';
  return Boolean(
    env['OTEL_EXPORTER_OTLP_ENDPOINT'] || env[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`],
  );
}

/**
 * Sets up tracing and metrics for this process, once, before `createInstruments` and before any
 * work starts. Does nothing when the environment asks for nothing.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const signals = requestedSignals(process.env);
  if (!signals.traces && !signals.metrics) return { isOn: false, stop: async () => {} };
  const { NodeSDK } = await import('@opentelemetry/sdk-node');
  const ids = installIdGenerator(systemRandom);
  const sdk = withResource(options, () => {
    const created = new NodeSDK({
      idGenerator: ids.generator,
      logRecordProcessors: [],
      ...(signals.traces ? {} : { spanProcessors: [] }),
      ...(signals.metrics ? {} : { metricReaders: [] }),
    });
    // After the constructor, which would let the SDK write to stdout.
    diag.setLogger(diagLogger(options.logger), {
      logLevel: DiagLogLevel.WARN,
      suppressOverrideMessage: true,
    });
    created.start();
    return created;
  });
  options.logger.debug({ ...signals }, 'telemetry is on');
  const stop = async (): Promise<void> => {
    await flush(sdk.shutdown(), options);
    ids.uninstall();
    for (const api of [trace, metrics, context, propagation, diag]) api.disable();
  };
  let stopping: Promise<void> | undefined;
  return { isOn: true, stop: () => (stopping ??= stop()) };
}

async function flush(shutdown: Promise<void>, options: TelemetryOptions): Promise<void> {
  const { logger, clock = systemClock } = options;
  const isDone = new AbortController();
  const warn = (error: unknown): void =>
    logger.warn({ error }, 'the last spans or metrics could not be sent');
  await Promise.race([
    shutdown.catch(warn).finally(() => isDone.abort()),
    sleep(clock, FLUSH_TIMEOUT_MS, { signal: isDone.signal }).then(() => {
      if (!isDone.signal.aborted) warn(`not done within ${FLUSH_TIMEOUT_MS} ms`);
    }),
  ]);
}

/**
 * Runs `start` with the service's name and version in OTEL_RESOURCE_ATTRIBUTES: the SDK takes
 * defaults for these nowhere else that an operator's own settings would win over. They come first,
 * because of two values the later one counts. Restored afterwards, so that no child inherits them.
 */
function withResource<T>(options: TelemetryOptions, start: () => T): T {
  const variable = 'OTEL_RESOURCE_ATTRIBUTES';
  const before = process.env[variable];
  const defaults = [
    `service.name=${encodeURIComponent(options.serviceName)}`,
    `service.version=${encodeURIComponent(options.serviceVersion)}`,
  ];
  process.env[variable] = [...defaults, ...(before ? [before] : [])].join(',');
  try {
    return start();
  } finally {
    if (before === undefined) delete process.env[variable];
    else process.env[variable] = before;
  }
}

function diagLogger(logger: Logger): DiagLogger {
  const to =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, ...details: unknown[]): void =>
      logger[level](details.length === 0 ? {} : { details }, `OpenTelemetry: ${message}`);
  // An export that fails is an error to the SDK, and a passing nuisance to a worker.
  return {
    error: to('warn'),
    warn: to('warn'),
    info: to('info'),
    debug: to('debug'),
    verbose: to('debug'),
  };
}
