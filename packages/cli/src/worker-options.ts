import { InvalidArgumentError, type WorkerLabels } from '@holdfast/core';
import {
  DEFAULT_CONCURRENCY,
  DEFAULT_DRAIN_TIMEOUT_MS,
  DEFAULT_LEASE_TTL_MS,
  MAX_CONCURRENCY,
  MAX_DRAIN_TIMEOUT_MS,
  MAX_LEASE_TTL_MS,
  MIN_LEASE_TTL_MS,
} from '@holdfast/worker';
import { type Command, Option } from 'commander';
import { formatDuration, parseDuration } from './duration.ts';
import { collectWorkerLabel, parseInteger, parseNames } from './option-values.ts';

/** How a worker works, as options name it. */
export interface WorkerSettings {
  readonly flows?: readonly string[] | undefined;
  readonly concurrency: number;
  readonly queues: readonly string[];
  readonly label?: WorkerLabels | undefined;
  readonly leaseTtl: number;
  readonly drainTimeout: number;
  readonly name?: string | undefined;
}

/** Adds what a worker can be told. */
export function addWorkerOptions(command: Command): Command {
  const flows = new Option(
    '--flows <file>',
    'module with flows; may be given several times',
  ).argParser((path, before: readonly string[] | undefined) => [...(before ?? []), path]);
  const concurrency = new Option('--concurrency <n>', 'jobs at once')
    .argParser((text) => parseInteger(text, '--concurrency', { min: 1, max: MAX_CONCURRENCY }))
    .default(DEFAULT_CONCURRENCY);
  const queues = new Option('--queues <names>', 'queues to serve, separated by commas')
    .argParser((text) => parseNames(text, '--queues'))
    .default(['default'], 'default');
  const label = new Option(
    '--label <name=value>',
    'what remote tasks may ask for; may be given several times',
  ).argParser((text, before: WorkerLabels | undefined) =>
    collectWorkerLabel(text, '--label', before ?? {}),
  );
  const leaseBounds = { minMs: MIN_LEASE_TTL_MS, maxMs: MAX_LEASE_TTL_MS };
  const leaseTtl = new Option(
    '--lease-ttl <duration>',
    'after this its jobs are taken over at the latest',
  )
    .argParser((text) => parseDuration(text, '--lease-ttl', leaseBounds))
    .default(DEFAULT_LEASE_TTL_MS, formatDuration(DEFAULT_LEASE_TTL_MS));
  const drainTimeout = new Option('--drain-timeout <duration>', 'jobs may take this long to finish')
    .argParser((text) => parseDuration(text, '--drain-timeout', { maxMs: MAX_DRAIN_TIMEOUT_MS }))
    .default(DEFAULT_DRAIN_TIMEOUT_MS, formatDuration(DEFAULT_DRAIN_TIMEOUT_MS));
  for (const option of [flows, concurrency, queues, label, leaseTtl, drainTimeout]) {
    command.addOption(option);
  }
  return command;
}

/** The modules that were named. Throws an InvalidArgumentError unless there is one. */
export function requireFlows({ flows = [] }: WorkerSettings): readonly string[] {
  if (flows.length > 0) return flows;
  const description = 'is missing; name the module whose flows this worker runs';
  throw new InvalidArgumentError([{ field: '--flows', description }]);
}
