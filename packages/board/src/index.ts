export type { AttemptEnded } from './attempt-end.ts';
export type { BoardOptions } from './board.ts';
export { Board } from './board.ts';
export type { BoardParts } from './board-parts.ts';
export type { CaretakerOptions } from './caretaker.ts';
export { Caretaker, LEADER_TTL_MS } from './caretaker.ts';
export type { Claim } from './claim.ts';
export { MAX_CLAIMS_AT_ONCE, YIELD_MS } from './claim-chooser.ts';
export type { DoctorProblem, DoctorReport } from './doctor.ts';
export type { FlowEdgeRecord, FlowNodeRecord, FlowRecord, FlowView } from './flow-record.ts';
export type { ChangeRequest, ChangeResult } from './job-change.ts';
export type { CancelOptions } from './job-control.ts';
export type { ForkRequest } from './job-fork.ts';
export type { NewSignal, SignalResult } from './job-signals.ts';
export type { JobControl, JobPage, JobQuery, JobView, JobWish } from './job-view.ts';
export type { Inbox, JobNews, Member } from './member.ts';
export { RECONCILE_MS } from './member.ts';
export type { NewJob, PostResult } from './new-job.ts';
export type { BoardObserver, Takeover } from './observer.ts';
export type { PageOf, PageQuery } from './page.ts';
export { PARENT_IS_OVER } from './parent-end.ts';
export { BUCKET_CAPACITY } from './ready-buckets.ts';
export { READY_COUNT_LIMIT } from './ready-gauge.ts';
export { deadlineFailure } from './takeover.ts';
export type {
  NewTaskJob,
  PostedTaskJob,
  TaskJobName,
  TaskJobState,
} from './task-jobs.ts';
export type { WorkerInfo, WorkerView } from './worker-view.ts';
