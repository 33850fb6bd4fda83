import { type FieldViolation, InvalidArgumentError, parseName } from '@holdfast/core';
import type { Schemas } from './schema.ts';
import type { TaskBindings } from './task-definition.ts';
import type { Names } from './task-wiring-type.ts';

/**
 * How the values of a task are tied to those of its flow. What task-wiring-type.ts refuses, this
 * refuses too, in the same words.
 */

/** The names of a task's values, on both sides. */
export interface BoundNames {
  /** What the task calls a value that it takes → what the flow calls it. Injected ones aren't here. */
  readonly needs: Names;
  /** What the flow calls a value that the task gives → what the task calls it. */
  readonly gives: Names;
  /** Values that are fixed, by what the task calls them. */
  readonly inject: Readonly<Record<string, unknown>>;
}

/** What is bound. */
export interface Bindable {
  readonly name: string;
  readonly requires: Schemas;
  readonly revertRequires: Schemas;
  readonly provides: Schemas;
}

type Bindings = TaskBindings<Names, Names, Readonly<Record<string, unknown>>>;

/** Binds the values of a task. Throws InvalidArgumentError naming everything that can't be bound so. */
export function bindNames(task: Bindable, bindings: Bindings): BoundNames {
  const rebind = new Map(Object.entries(bindings.rebind ?? {}));
  const rename = new Map(Object.entries(bindings.rename ?? {}));
  const inject = new Map(Object.entries(bindings.inject ?? {}));
  const taken = new Set([...Object.keys(task.requires), ...Object.keys(task.revertRequires)]);
  const given = new Set(Object.keys(task.provides));
  checkBindings(task.name, { rebind, rename, inject, taken, given });
  const needs = [...taken]
    .filter((arg) => !inject.has(arg))
    .map((arg) => [arg, rebind.get(arg) ?? arg] as const);
  const gives = [...given].map((value) => [rename.get(value) ?? value, value] as const);
  return {
    needs: Object.freeze(Object.fromEntries(needs)),
    gives: Object.freeze(Object.fromEntries(gives)),
    inject: Object.freeze(Object.fromEntries(inject)),
  };
}

/** Lays bindings over others: per value, what the upper ones say holds. */
export function overlayBindings(below: BoundNames, above: Bindings): Bindings {
  const { rebind = {}, rename = {}, inject = {} } = above;
  const renamed = Object.entries(below.gives).map(([outer, inner]) => [inner, outer] as const);
  return {
    rebind: { ...without(below.needs, inject), ...rebind },
    rename: { ...Object.fromEntries(renamed), ...rename },
    inject: { ...without(below.inject, rebind), ...inject },
  };
}

function without<Value>(
  values: Readonly<Record<string, Value>>,
  names: Readonly<Record<string, unknown>>,
): Readonly<Record<string, Value>> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !Object.hasOwn(names, name)));
}

interface CheckedParts {
  readonly rebind: ReadonlyMap<string, string>;
  readonly rename: ReadonlyMap<string, string>;
  readonly inject: ReadonlyMap<string, unknown>;
  readonly taken: ReadonlySet<string>;
  readonly given: ReadonlySet<string>;
}

function checkBindings(task: string, parts: CheckedParts): void {
  const { rebind, rename, inject, taken, given } = parts;
  for (const [name, outer] of rebind) parseName(outer, `task(${task}).rebind.${name}`);
  for (const [name, outer] of rename) parseName(outer, `task(${task}).rename.${name}`);
  const violations: FieldViolation[] = [];
  const refuse = (field: string, what: string): void => {
    violations.push({ field: `task(${task}).${field}`, description: `task '${task}' ${what}` });
  };
  for (const name of rebind.keys()) {
    if (inject.has(name)) refuse(`rebind.${name}`, `can't both rebind and inject '${name}'`);
    else if (!taken.has(name)) {
      refuse(`rebind.${name}`, `requires no '${name}'; only what it requires can be rebound`);
    }
  }
  for (const name of inject.keys()) {
    if (taken.has(name)) continue;
    refuse(`inject.${name}`, `requires no '${name}'; only what it requires can be injected`);
  }
  for (const name of rename.keys()) {
    if (given.has(name)) continue;
    refuse(`rename.${name}`, `provides no '${name}'; only what it provides can be renamed`);
  }
  const outer = new Set<string>();
  for (const name of given) {
    const called = rename.get(name) ?? name;
    if (outer.has(called)) {
      refuse('rename', `provides '${called}' twice; give one of the values another name`);
    }
    outer.add(called);
  }
  if (violations.length > 0) throw new InvalidArgumentError(violations);
}
