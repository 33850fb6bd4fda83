/** What one server takes and how long it waits. */
export interface ServerLimits {
  /** Bytes of one request; a bulk post has to fit. */
  readonly requestBytes: number;
  /** Bytes of one response; a job with all its checkpoints has to fit. */
  readonly responseBytes: number;
  /** Calls at once on one connection; further ones wait at the client. */
  readonly callsPerConnection: number;
  /** Jobs of all posts that are on their way to the store; posts beyond get RESOURCE_EXHAUSTED. */
  readonly postingJobs: number;
  /** Bytes of their inputs, likewise. */
  readonly postingBytes: number;
  /** How long `stop` waits for calls that are being answered, in milliseconds. */
  readonly stopGraceMs: number;
  /** A connection that was silent this long is asked for a sign of life, in milliseconds. */
  readonly keepaliveMs: number;
  /** … and is closed when none comes within this time, in milliseconds. */
  readonly keepaliveTimeoutMs: number;
  /** How often the store is asked whether it takes writes, for the health service, in milliseconds. */
  readonly storeProbeMs: number;
}

/** 16 MiB in, 64 MiB out, 10,000 calls on a connection, 20,000 jobs or 64 MiB in posting, 10 s to finish. */
export const SERVER_LIMITS: ServerLimits = {
  requestBytes: 16_777_216,
  responseBytes: 67_108_864,
  callsPerConnection: 10_000,
  postingJobs: 20_000,
  postingBytes: 67_108_864,
  stopGraceMs: 10_000,
  keepaliveMs: 20_000,
  keepaliveTimeoutMs: 10_000,
  storeProbeMs: 2_000,
};
