export {
  type AttemptSpan,
  recordLostAttempts,
  startAttemptSpan,
  type TracedJob,
} from './attempt-span.ts';
export { type ChosenIds, canChooseIds, createSpanId, spanWithId } from './chosen-ids.ts';
export {
  BoardMetrics,
  createInstruments,
  DURATION_BOUNDS_S,
  type Instruments,
  type StoreStats,
  WorkerMetrics,
} from './instruments.ts';
export {
  createLogger,
  LOG_LEVEL_VARIABLE,
  LOG_LEVELS,
  type LoggerSettings,
  type LogLevel,
} from './logger.ts';
export { ATTRIBUTES, METRICS, type MetricDefinition, SPANS } from './names.ts';
export { formatTraceContext, parseTraceContext, traceIdOfJob } from './trace-context.ts';
