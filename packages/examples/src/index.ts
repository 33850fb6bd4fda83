export { hello } from './hello.ts';
export { type RepoCheckInput, type RepoCheckOutput, repoCheck } from './repo-check/repo-check.ts';
export type { RepoReport } from './repo-check/report.ts';
