import type { RunGraph } from './run-graph.ts';

/**
 * Which atoms of a scope may be reverted next: those all of whose successors in the scope are settled.
 * The nodes are those that are active when the revert begins.
 */
export class RevertOrder {
  readonly #graph: RunGraph;
  readonly #waiting = new Map<number, number>();
  readonly #isSettled = new Set<number>();
  #ready: number[] = [];

  /** `members` are places in the graph, each once. */
  constructor(graph: RunGraph, members: readonly number[]) {
    this.#graph = graph;
    for (const index of members) this.#waiting.set(index, 0);
    for (const index of members) {
      for (const other of graph.node(index).predecessors) {
        const waiting = this.#waiting.get(other);
        if (waiting !== undefined) this.#waiting.set(other, waiting + 1);
      }
    }
    const free = members.filter((index) => this.#waiting.get(index) === 0);
    for (const index of free) this.#reach(index);
  }

  /** Atoms that have become ready since the last call, each once. */
  takeReady(): readonly number[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  /** True when everything is settled. */
  get isDone(): boolean {
    return this.#isSettled.size === this.#waiting.size;
  }

  /** What the node was built on may be reverted now; points of the order are passed by themselves. */
  settle(index: number): void {
    const stack = [index];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (this.#isSettled.has(next) || !this.#waiting.has(next)) continue;
      this.#isSettled.add(next);
      for (const other of this.#graph.node(next).predecessors) {
        const waiting = this.#waiting.get(other);
        if (waiting === undefined) continue;
        this.#waiting.set(other, waiting - 1);
        if (waiting > 1) continue;
        if (this.#graph.node(other).task) this.#ready.push(other);
        else stack.push(other);
      }
    }
  }

  #reach(index: number): void {
    if (this.#graph.node(index).task) this.#ready.push(index);
    else this.settle(index);
  }
}
