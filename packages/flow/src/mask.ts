import { type AtomRecord, decodeJson, encodeJson } from '@holdfast/core';
import type { PlanBody } from './flow-plan.ts';

/** Names of the values of a task that are secrets, by the task's name. */
export type SecretsOf = (task: string) => readonly string[];

/** What stands in the place of a secret. */
export const MASK = '***';

/** What the tasks of a flow declare as secrets; the tasks of a map's items share their name but for its end. */
export function secretsIn(body: PlanBody): SecretsOf {
  const secrets = new Map<string, readonly string[]>();
  collectSecrets(body, secrets);
  return (task) => {
    const bracket = task.indexOf('[');
    return secrets.get(bracket < 0 ? task : task.slice(0, bracket)) ?? [];
  };
}

function collectSecrets(body: PlanBody, secrets: Map<string, readonly string[]>): void {
  for (const { name, task, role } of body.nodes) {
    if (task && task.secrets.length > 0) secrets.set(name, task.secrets);
    if (role.kind === 'fork') collectSecrets(role.body, secrets);
  }
}

/** The record with the secrets in its result, and in what it provided in rounds, masked. */
export function maskRecord(record: AtomRecord, secrets: readonly string[]): AtomRecord {
  if (secrets.length === 0) return record;
  const mask = (payload: AtomRecord['result']): AtomRecord['result'] =>
    payload && encodeJson(maskValues(decodeJson(payload), secrets));
  return {
    ...record,
    result: mask(record.result),
    rounds: record.rounds.map((round) => ({ ...round, provided: mask(round.provided) })),
  };
}

/** The values with those of these names masked. */
export function maskValues(values: unknown, secrets: readonly string[]): unknown {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) return values;
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, secrets.includes(name) ? MASK : value]),
  );
}
