/**
 * Every limit of Holdfast that isn't a store's own. Docs and error messages cite these names.
 */
export const LIMITS = {
  /** Characters of a flow, queue, task or label name. */
  nameLength: 128,
  /** Characters of an idempotency key. */
  idempotencyKeyLength: 256,
  /** Labels on one job. */
  labelsPerJob: 32,
  /** Characters of one label's value. */
  labelValueLength: 256,
  /** Characters of the labels that a remote task asks for, as `labelsText` has them: they are part of keys. */
  remoteLabelsLength: 256,
  /** Lowest and highest priority; 9 is claimed first. */
  priorityMin: 0,
  priorityMax: 9,
  priorityDefault: 5,
  /** Bytes of a job's input, of one task's result, and of a job's output: 512 KiB. */
  payloadBytes: 524_288,
  /** Arrays and objects within each other in one JSON payload: what reads it may do so recursively. */
  jsonDepth: 500,
  /** Signals that one job takes in all, and the bytes of their payloads together: 8 MiB. */
  signalsPerJob: 1000,
  signalBytesPerJob: 8_388_608,
  /** Requests of operators that change one job, the bytes of their records together (8 MiB), and changes in one of them. */
  changesPerJob: 100,
  changeBytesPerJob: 8_388_608,
  changesPerRequest: 100,
  /** Characters of the name of an operator, and of the reason that people give for a request. */
  operatorLength: 128,
  requestReasonLength: 4096,
  /** Jobs in one PostJobs request. */
  jobsPerPost: 1000,
  /** Attempts that may be lost to crashes before a job is set aside as dead. */
  maxAttemptsDefault: 5,
  maxAttemptsMax: 100,
  /** Longest delay, deadline or retention, in milliseconds: ten years. */
  durationMaxMs: 316_224_000_000,
  /** How long a finished job is kept when its post doesn't say, in milliseconds: seven days. */
  retentionDefaultMs: 604_800_000,
  /** Attempts kept one by one in a job's history; of older ones only the number is kept. */
  attemptsInHistory: 100,
  /** Non-fatal errors kept for each task; of later ones only the number is kept. */
  errorsPerTask: 20,
  /** Failures kept for each round of a retry controller, and rounds of one controller. */
  failuresPerRound: 10,
  roundsPerController: 100,
  /** Characters kept of a failure's message and of its stack; what is longer is marked as cut. */
  failureMessageLength: 4096,
  failureStackLength: 16_384,
  /** Characters kept of the reason why an attempt ended; what is longer is marked as cut. */
  reasonLength: 200,
  /** Tasks in one flow. */
  tasksPerFlow: 10_000,
  /** Jobs on one page of a listing. */
  pageSizeDefault: 50,
  pageSizeMax: 1000,
} as const;
