// The arguments of a task as they travel to where it runs: by what the flow calls them, as JSON. What
// code injects is code there too, and doesn't travel.
import type { Payload } from '@holdfast/core';
import type { PlanSource } from './flow-plan.ts';
import { encodeValues, findValue, type ValueLookup } from './run-values.ts';
import type { Names } from './task-wiring-type.ts';

/**
 * Looks the values of these sources up and encodes them. Throws TypeError for a value that JSON would
 * make another of, naming it, and PayloadTooLargeError.
 */
export function encodeArguments(
  task: { readonly name: string; readonly needs: Names; readonly sources: readonly PlanSource[] },
  lookup: ValueLookup,
): Payload {
  const args = task.sources.map((source) => {
    const name = task.needs[source.name] ?? source.name;
    const value = findValue(source, lookup);
    checkJson(value, name);
    return [name, value] as const;
  });
  return encodeValues(Object.fromEntries(args), `the arguments of task ${task.name}`);
}

/**
 * Results are JSON already. What a schema made of the flow's input may be anything, and a task that got
 * the text of a date where it runs elsewhere, and a date where it doesn't, would be hard to understand.
 */
function checkJson(value: unknown, at: string): void {
  if (value === undefined || value === null) return;
  if (typeof value === 'boolean' || typeof value === 'string') return;
  if (typeof value === 'object') return checkObject(value, at);
  if (typeof value !== 'number') throw unfit(at, `a ${typeof value}`);
  if (!Number.isFinite(value)) throw unfit(at, String(value));
}

function checkObject(value: object, at: string): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      if (item === undefined) throw unfit(`${at}[${index}]`, 'undefined');
      checkJson(item, `${at}[${index}]`);
    }
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw unfit(at, `a ${value.constructor.name}`);
  }
  for (const [name, inner] of Object.entries(value)) checkJson(inner, `${at}.${name}`);
}

function unfit(at: string, what: string): TypeError {
  return new TypeError(
    `'${at}' is ${what}, which JSON can't hold; what a task takes travels as JSON where it runs elsewhere`,
  );
}
