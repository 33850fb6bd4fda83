/** What a log line may carry besides its message; values have to be serialisable as JSON. */
export type LogFields = Readonly<Record<string, unknown>>;

/** The logger every Holdfast package takes. `@holdfast/telemetry` makes one from pino. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A logger whose lines carry `fields` too. */
  child(fields: LogFields): Logger;
}

/** A logger that drops everything: the default of every library entry point. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};
