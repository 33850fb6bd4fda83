// A kit for the tests of flows: a flow runs on a virtual clock, without a server and without sleeps.
export type { CrashTrialOptions, CrashTrials, InterruptedTrial } from './crash-trials.ts';
export { testEveryCrash } from './crash-trials.ts';
export type { FlowTrial, TestFlowArguments, TestFlowOptions, TrialKind } from './flow-trial.ts';
export { testFlow } from './flow-trial.ts';
export { DEFAULT_PATIENCE_MS } from './real-work.ts';
export type { Failing, FailRule, TaskDelay, TaskScripts, TaskStub } from './task-script.ts';
export type { Trace, TraceEvent } from './trace.ts';
export type { TaskCall, TrialTask } from './trial-task.ts';
export type { ResumeOptions } from './trial-world.ts';
export { TRIAL_ATTEMPTS_MAX } from './trial-world.ts';
