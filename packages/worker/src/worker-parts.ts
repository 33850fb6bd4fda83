// What a worker is made of, checked once.
import { hostname } from 'node:os';
import type { Board } from '@holdfast/board';
import type { Coord } from '@holdfast/coord';
import {
  type Clock,
  createWorkerId,
  InvalidArgumentError,
  type Logger,
  parseName,
  parseWorkerId,
  parseWorkerLabels,
  type Random,
  silentLogger,
  systemClock,
  systemRandom,
  type WorkerId,
  type WorkerLabels,
} from '@holdfast/core';
import { type AnyFlow, type FlowListener, isFlow, ListenerHub } from '@holdfast/flow';
import { createInstruments, type WorkerMetrics } from '@holdfast/telemetry';
import {
  DEFAULT_CONCURRENCY,
  DEFAULT_DRAIN_TIMEOUT_MS,
  DEFAULT_LEASE_TTL_MS,
  MAX_CONCURRENCY,
  MAX_DRAIN_TIMEOUT_MS,
  MAX_FLOWS,
  MAX_LEASE_TTL_MS,
  MAX_LISTENERS,
  MAX_QUEUES,
  MIN_LEASE_TTL_MS,
} from './limits.ts';
import { Patience } from './patience.ts';
import type { SupervisorLink } from './supervisor-link.ts';

/** What a worker takes. Whoever makes it owns `board` and `coord` and stops them after the worker. */
export interface WorkerOptions {
  readonly board: Board;
  /** The store under the board; for the worker's session. */
  readonly coord: Coord;
  /** What this worker runs; 1 to {@link MAX_FLOWS}, each name once. */
  readonly flows: readonly AnyFlow[];
  /** Which queues it serves; 1 to {@link MAX_QUEUES}. Default: `default`. */
  readonly queues?: readonly string[] | undefined;
  /** Jobs at once, 1 to {@link MAX_CONCURRENCY}. Default {@link DEFAULT_CONCURRENCY}. */
  readonly concurrency?: number | undefined;
  /** What remote tasks may ask for: names with values that are names too, up to 32. Default: none. */
  readonly labels?: WorkerLabels | undefined;
  /** For people: the first part of its worker ids. Default: the host's name. */
  readonly name?: string | undefined;
  /** Lease in milliseconds, {@link MIN_LEASE_TTL_MS} to {@link MAX_LEASE_TTL_MS}. Default {@link DEFAULT_LEASE_TTL_MS}. */
  readonly leaseTtlMs?: number | undefined;
  /** Milliseconds, 0 to {@link MAX_DRAIN_TIMEOUT_MS}. Default {@link DEFAULT_DRAIN_TIMEOUT_MS}. */
  readonly drainTimeoutMs?: number | undefined;
  /** The id of its first membership, never used before. Default: a fresh one. */
  readonly workerId?: WorkerId | undefined;
  /** To the supervisor whose child this process is; see `connectToSupervisor`. */
  readonly supervisor?: SupervisorLink | undefined;
  /** Told what happens in the jobs that run here; up to {@link MAX_LISTENERS}. Default: none. */
  readonly listeners?: readonly FlowListener[] | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
}

/** The options with every default filled in, and what all parts of a worker share. */
export interface WorkerParts {
  readonly board: Board;
  readonly coord: Coord;
  readonly flows: ReadonlyMap<string, AnyFlow>;
  readonly queues: readonly string[];
  readonly labels: WorkerLabels;
  readonly concurrency: number;
  readonly name: string;
  readonly leaseTtlMs: number;
  readonly drainTimeoutMs: number;
  readonly supervisor: SupervisorLink | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: WorkerMetrics;
  readonly patience: Patience;
  readonly listeners: ListenerHub;
}

/** Checks the options; throws InvalidArgumentError naming the field, its value and what is allowed. */
export function workerParts(options: WorkerOptions): WorkerParts {
  const { clock = systemClock, random = systemRandom, logger = silentLogger } = options;
  const name = options.name ?? defaultWorkerName(hostname());
  createWorkerId(name, { clock, random }); // Checks the name.
  if (options.workerId !== undefined) parseWorkerId(options.workerId, 'workerId');
  return {
    board: options.board,
    coord: options.coord,
    flows: checkFlows(options.flows),
    queues: checkQueues(options.queues ?? ['default']),
    labels: parseWorkerLabels(options.labels ?? {}, 'labels'),
    concurrency: checkInteger('concurrency', options.concurrency ?? DEFAULT_CONCURRENCY, [
      1,
      MAX_CONCURRENCY,
    ]),
    name,
    leaseTtlMs: checkInteger('leaseTtlMs', options.leaseTtlMs ?? DEFAULT_LEASE_TTL_MS, [
      MIN_LEASE_TTL_MS,
      MAX_LEASE_TTL_MS,
    ]),
    drainTimeoutMs: checkInteger(
      'drainTimeoutMs',
      options.drainTimeoutMs ?? DEFAULT_DRAIN_TIMEOUT_MS,
      [0, MAX_DRAIN_TIMEOUT_MS],
    ),
    supervisor: options.supervisor,
    clock,
    random,
    logger,
    metrics: createInstruments().worker,
    patience: new Patience({ clock, random, logger }),
    listeners: new ListenerHub({ listeners: checkListeners(options.listeners), clock, logger }),
  };
}

/** A host's name as the name of a worker; `worker` where nothing of it can be used. */
export function defaultWorkerName(host: string): string {
  const name = host
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]/g, '-')
    .slice(0, MAX_NAME_LENGTH)
    .replaceAll(/^[.-]+|[.-]+$/g, '');
  return name === '' ? 'worker' : name;
}

/** What core allows of a worker's name. */
const MAX_NAME_LENGTH = 64;

function checkFlows(flows: readonly AnyFlow[]): ReadonlyMap<string, AnyFlow> {
  checkInteger('flows.length', flows.length, [1, MAX_FLOWS]);
  const byName = new Map<string, AnyFlow>();
  for (const [index, flow] of flows.entries()) {
    const field = `flows[${index}]`;
    if (!isFlow(flow)) {
      throw new InvalidArgumentError(field, { value: typeof flow, allowed: 'what flow() made' });
    }
    if (byName.has(flow.name)) {
      throw new InvalidArgumentError(`${field}.name`, {
        value: flow.name,
        allowed: 'a name that no other flow of this worker has',
      });
    }
    byName.set(flow.name, flow);
  }
  return byName;
}

function checkListeners(listeners: readonly FlowListener[] = []): readonly FlowListener[] {
  checkInteger('listeners.length', listeners.length, [0, MAX_LISTENERS]);
  for (const [index, listener] of listeners.entries()) {
    if (typeof listener.onEvent === 'function') continue;
    throw new InvalidArgumentError(`listeners[${index}].onEvent`, {
      value: typeof listener.onEvent,
      allowed: 'a function',
    });
  }
  return listeners;
}

function checkQueues(queues: readonly string[]): readonly string[] {
  checkInteger('queues.length', queues.length, [1, MAX_QUEUES]);
  return [...new Set(queues.map((queue, index) => parseName(queue, `queues[${index}]`)))];
}

/** Checks a whole number against its lowest and highest allowed value. */
export function checkInteger(
  field: string,
  value: number,
  [min, max]: readonly [min: number, max: number],
): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new InvalidArgumentError(field, { value, allowed: `a whole number, ${min} to ${max}` });
  }
  return value;
}
