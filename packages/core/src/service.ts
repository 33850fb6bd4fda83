/**
 * Something that runs until it is stopped. `start` resolves once it works; `stop` resolves once
 * nothing of it runs any more. Both may be called again, and at the same time, without harm.
 */
export interface Service extends AsyncDisposable {
  start(): Promise<void>;
  stop(): Promise<void>;
}
