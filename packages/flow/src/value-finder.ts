// Where the values of a run are found: in its input, in what its atoms provided, and in the lists of
// its maps. What is found is JSON that nobody else holds, except for the input, which is frozen.
import { assert, decodeJson, type Payload } from '@holdfast/core';
import type { AtomBook } from './atom-book.ts';
import type { PlanProvider } from './flow-plan.ts';
import type { RunGraph, RunNode } from './run-graph.ts';
import { findValue, own, readResult, type ValueLookup, type Values } from './run-values.ts';

export interface ValueFinderParts {
  readonly graph: RunGraph;
  readonly book: AtomBook;
  readonly input: Values;
}

/** See the head of this file. */
export class ValueFinder {
  readonly #parts: ValueFinderParts;
  /** The lists of maps, by the checkpoint that they come from: every item reads its own part. */
  readonly #lists = new WeakMap<Payload, Values>();

  constructor(parts: ValueFinderParts) {
    this.#parts = parts;
  }

  /** Looks up what the providers of this node's sources provide. */
  lookupFor(node: RunNode): ValueLookup {
    const decoded = new Map<number, Values>();
    return (provider) => this.#find(provider, node, decoded);
  }

  /** Looks up what the flow puts out. */
  lookupForFlow(): ValueLookup {
    const [first] = this.#parts.graph.nodes;
    return first ? this.lookupFor(first) : () => undefined;
  }

  /** What an atom provided; undefined when it was ignored. */
  resultOf(index: number): Values | undefined {
    const record = this.#parts.book.get(index);
    return record.state === 'ignore' ? undefined : readResult(record);
  }

  /** True when an atom was ignored, or the map that is gathered here. */
  isIgnored(index: number): boolean {
    const { graph, book } = this.#parts;
    const node = graph.node(index);
    const { role } = node;
    const atom = role.kind === 'gather' ? graph.placeFrom(node, role.fork) : index;
    return book.get(atom).state === 'ignore';
  }

  /** What a node provided: the lists of a map, or the result of an atom; undefined when it was ignored. */
  valuesOf(index: number): Values | undefined {
    const { role } = this.#parts.graph.node(index);
    if (this.isIgnored(index)) return undefined;
    if (role.kind !== 'gather') return this.resultOf(index);
    return Object.fromEntries(
      role.values.map(({ name }) => [name, this.#gather(index, name)?.value]),
    );
  }

  /** The list of a map, as it was provided. */
  listOf(fork: number): unknown {
    const node = this.#parts.graph.node(fork);
    const { role } = node;
    assert(role.kind === 'fork', `${node.name} is a map`);
    return this.#requiredBy(fork, role.list, (provider) => this.#findShared(provider, node));
  }

  #find(
    provider: PlanProvider,
    node: RunNode,
    decoded: Map<number, Values>,
  ): ReturnType<ValueLookup> {
    const { graph, input } = this.#parts;
    switch (provider.kind) {
      case 'input':
        return { value: own(input, provider.value) };
      case 'argument':
        // Decoded once, for all tries of the task; each has a value of its own that it may change.
        return { value: structuredClone(own(input, provider.value)) };
      case 'node': {
        const from = graph.placeFrom(node, provider.node);
        if (graph.node(from).role.kind === 'gather') return this.#gather(from, provider.value);
        const values = decoded.get(from) ?? this.resultOf(from);
        if (values) decoded.set(from, values);
        return values && { value: own(values, provider.value) };
      }
      case 'index':
        return { value: itemOf(node).index };
      case 'item': {
        const { fork, index } = itemOf(node);
        const list = this.listOf(fork);
        return { value: Array.isArray(list) ? structuredClone(list[index]) : undefined };
      }
      case 'fork': {
        const { fork } = itemOf(node);
        const around = graph.node(fork);
        const value = this.#requiredBy(fork, provider.value, (outer) =>
          this.#find(outer, around, new Map()),
        );
        return { value };
      }
      default:
        return provider satisfies never;
    }
  }

  /** Like find, but what it finds may be shared, and must not be changed. */
  #findShared(provider: PlanProvider, node: RunNode): ReturnType<ValueLookup> {
    if (provider.kind !== 'node') return this.#find(provider, node, new Map());
    const { graph, book } = this.#parts;
    const from = graph.placeFrom(node, provider.node);
    const { result, state } = book.get(from);
    if (graph.node(from).role.kind === 'gather' || !result || state === 'ignore') {
      return this.#find(provider, node, new Map());
    }
    // A result is always an object; see encodeResult.
    const values = this.#lists.get(result) ?? (decodeJson(result) as Values);
    this.#lists.set(result, values);
    return { value: own(values, provider.value) };
  }

  #requiredBy(fork: number, name: string, lookup: ValueLookup): unknown {
    const source = this.#parts.graph.node(fork).sources.find((each) => each.name === name);
    return source && findValue(source, lookup);
  }

  /** What the items of a map provide, as a list in their order; undefined when the map was ignored. */
  #gather(index: number, name: string): ReturnType<ValueLookup> {
    const { graph, book } = this.#parts;
    const node = graph.node(index);
    const { role } = node;
    assert(role.kind === 'gather', `${node.name} gathers the items of a map`);
    const fork = graph.placeFrom(node, role.fork);
    if (book.get(fork).state === 'ignore') return undefined;
    const value = role.values.find((each) => each.name === name);
    assert(value, `${node.name} gathers ${name}`);
    const { items, active } = graph.forks.get(fork) ?? { items: [], active: 0 };
    return {
      value: items.slice(0, active).map((item) => {
        for (const from of value.from) {
          const hit = this.#provided(item.nodes[from.node], from.value);
          // What JSON makes of a missing value in a list.
          if (hit) return hit.value ?? null;
        }
        return null;
      }),
    };
  }

  /** What the node at this place provides; undefined when it was ignored. */
  #provided(place: number | undefined, name: string): ReturnType<ValueLookup> {
    assert(place !== undefined, 'an item has a node for each of its body');
    if (this.#parts.graph.node(place).role.kind === 'gather') return this.#gather(place, name);
    const values = this.resultOf(place);
    return values && { value: own(values, name) };
  }
}

function itemOf(node: RunNode): { readonly fork: number; readonly index: number } {
  const { item } = node.home;
  assert(item, `${node.name} belongs to an item of a map`);
  return item;
}
