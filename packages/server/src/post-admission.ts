/**
 * The door for posts: what gets past it is well-formed, names a registered flow, and has an input
 * that the flow takes. Nothing is stored before every job of the request has passed (G9).
 */
import type { FlowRecord, NewJob } from '@holdfast/board';
import { type Clock, isName, LIMITS } from '@holdfast/core';
import type { NewJob as NewJobMessage } from '@holdfast/wire';
import { FieldViolations } from './field-violations.ts';
import type { FlowDirectory } from './flow-directory.ts';
import type { InputSchemas } from './input-schemas.ts';
import { validateNewJob } from './job-validation.ts';

/** A job of a request and its path in it, such as `job` or `jobs[3]`. */
export interface PostedJob {
  readonly message: NewJobMessage | undefined;
  readonly path: string;
}

/** What the door asks. */
export interface AdmissionParts {
  readonly flows: FlowDirectory;
  readonly schemas: InputSchemas;
  readonly clock: Clock;
}

/**
 * All jobs of the request, ready for the board. Throws InvalidArgumentError with every violation of
 * every job, PayloadTooLargeError when one payload's size is all that is wrong, NotFoundError when
 * only flows are missing.
 */
export async function admitJobs(
  posted: readonly PostedJob[],
  parts: AdmissionParts,
): Promise<readonly NewJob[]> {
  const violations = new FieldViolations();
  const nowUnixMs = parts.clock.nowUnixMs();
  const jobs = posted.map(({ message, path }) =>
    validateNewJob(message, { violations, path, nowUnixMs }),
  );
  const flows = await findFlows(posted, parts.flows);
  const unknown = posted.filter(({ message }) => message && flows.get(message.flow) === 'unknown');
  for (const job of posted) checkInput(job, flows, { violations, schemas: parts.schemas });
  if (violations.count > 0) {
    for (const { path } of unknown) violations.describe(`${path}.flow`, 'is not registered');
  }
  violations.throwIfAny();
  if (unknown.length > 0) {
    throw await parts.flows.unknown([
      ...new Set(unknown.map(({ message }) => message?.flow ?? '')),
    ]);
  }
  return jobs.filter((job) => job !== undefined);
}

type FoundFlows = ReadonlyMap<string, FlowRecord | 'unknown'>;

async function findFlows(
  posted: readonly PostedJob[],
  directory: FlowDirectory,
): Promise<FoundFlows> {
  const flows = new Map<string, FlowRecord | 'unknown'>();
  for (const { message } of posted) {
    if (!message || !isName(message.flow) || flows.has(message.flow)) continue;
    flows.set(message.flow, (await directory.find(message.flow)) ?? 'unknown');
  }
  return flows;
}

function checkInput(
  { message, path }: PostedJob,
  flows: FoundFlows,
  noted: { readonly violations: FieldViolations; readonly schemas: InputSchemas },
): void {
  const flow = message && flows.get(message.flow);
  if (!message?.input || flow === undefined || flow === 'unknown') return;
  const { contentType, data } = message.input;
  // One that is too large has been noted already; reading it would only cost.
  if (data.length > LIMITS.payloadBytes) return;
  const { schemas, violations } = noted;
  schemas.check({ contentType, data }, flow, { violations, path: `${path}.input` });
}
