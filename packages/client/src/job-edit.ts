/** Values of a task by the names that the flow has for them, each with a form in JSON. */
type TaskValues = Readonly<Record<string, unknown>>;

/**
 * One thing that an operator changes about a job. A task is named by its record, with its place where it
 * stands in a map: `fetch[3]`.
 */
export type JobEdit =
  /** The task, everything after it and everything that has not succeeded count as pending again. */
  | { readonly kind: 'retryFrom'; readonly task: string }
  /** The task counts as succeeded, with these values besides those that it has provided. */
  | { readonly kind: 'setResult'; readonly task: string; readonly values: TaskValues }
  /** The task is passed over; with values it counts as succeeded with them instead. */
  | { readonly kind: 'skip'; readonly task: string; readonly values?: TaskValues | undefined }
  /** Everything that the job has done is reverted, and it ends cancelled. */
  | { readonly kind: 'revert' }
  /** A revert that failed for good is tried again. */
  | { readonly kind: 'retryRevert'; readonly task: string }
  /** A revert that failed, or was interrupted, was done by hand. */
  | { readonly kind: 'resolveRevert'; readonly task: string };
