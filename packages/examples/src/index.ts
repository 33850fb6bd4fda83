export { type AccessInput, type AccessOutput, access } from './approval.ts';
export { type OrderInput, type OrderOutput, order } from './durable-function.ts';
export { type ReleaseInput, type ReleaseOutput, release } from './graph.ts';
export { hello } from './hello.ts';
export { type InvoiceInput, type InvoiceOutput, invoice } from './linear.ts';
export { type ReadingTimeInput, type ReadingTimeOutput, readingTime } from './map-reduce.ts';
export { type RepoCheckInput, type RepoCheckOutput, repoCheck } from './repo-check/repo-check.ts';
export type { RepoReport } from './repo-check/report.ts';
export { type Hotel, type TripInput, type TripOutput, trip } from './saga.ts';
