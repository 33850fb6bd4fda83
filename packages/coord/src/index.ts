export { checkNotCancelled } from './call-options.ts';
export { committedAt, guardHolds, refusedBy } from './commit-result.ts';
export type { CommitSize } from './commit-validation.ts';
export {
  checkCommit,
  checkKeys,
  checkPrefix,
  checkRange,
  checkSessionTtl,
  MAX_SESSION_TTL_MS,
  MIN_SESSION_TTL_MS,
  measureCommit,
} from './commit-validation.ts';
export type {
  CallOptions,
  Commit,
  CommitResult,
  Coord,
  CoordLimits,
  CoordStats,
  Entry,
  Guard,
  Key,
  ListRange,
  Page,
  Session,
  Version,
  Watch,
  Write,
} from './coord.ts';
export type { DriverLifeOptions } from './driver-life.ts';
export { DriverLife } from './driver-life.ts';
export type { CommitOutcome, GroupCommitOptions, GroupCommitStats } from './group-commit.ts';
export { GroupCommit } from './group-commit.ts';
export { compareKeys } from './key-order.ts';
export type { MemoryCoordOptions } from './memory-coord.ts';
export { openMemoryCoord } from './memory-coord.ts';
export type { ChangeListener } from './memory-store.ts';
export { createMemoryStore, MemoryStore } from './memory-store.ts';
export { checkHostPorts, checkWhole } from './option-checks.ts';
export type { QueuedRead, ReadQueueOptions } from './read-queue.ts';
export { ReadQueue } from './read-queue.ts';
export type { LeaseStore, SessionLeaseOptions } from './session-lease.ts';
export { SessionLease, trustMarginMs } from './session-lease.ts';
export type { UnansweredCall } from './store-errors.ts';
export {
  cancelledRead,
  readCommitAnswer,
  requireSession,
  sessionEnded,
  staleCall,
  storeNotStarted,
  storeStopped,
  unansweredCommit,
  unansweredRead,
  unexpectedFailure,
} from './store-errors.ts';
export type { RefuseUrl, StoreUrl, StoreUrlForm } from './store-url.ts';
export { refusing, splitStoreUrl, withoutPassword } from './store-url.ts';
export type { WatchSetOptions } from './watch-set.ts';
export { DEFAULT_RESYNC_MS, WatchSet } from './watch-set.ts';
