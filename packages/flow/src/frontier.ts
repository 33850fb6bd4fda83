import type { FlowPlan } from './flow-plan.ts';

/**
 * Which tasks may start next: those all of whose predecessors (or, backwards, successors) are
 * complete. Keeps a counter for each node, so that a whole run costs O(nodes + edges).
 */
export class Frontier {
  readonly #plan: FlowPlan;
  readonly #isBackward: boolean;
  readonly #waiting: Int32Array;
  readonly #isComplete: Uint8Array;
  #ready: number[] = [];

  constructor(plan: FlowPlan, direction: 'forward' | 'backward') {
    this.#plan = plan;
    this.#isBackward = direction === 'backward';
    this.#waiting = Int32Array.from(plan.nodes, (node) =>
      this.#isBackward ? node.successors.length : node.predecessors.length,
    );
    this.#isComplete = new Uint8Array(plan.nodes.length);
    for (let index = 0; index < plan.nodes.length; index += 1) {
      if (this.#waiting[index] === 0) this.#reach(index);
    }
  }

  /** Tasks that have become ready since the last call, each once. */
  takeReady(): readonly number[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  /** Marks a task as complete; joins beyond it are passed by themselves. */
  complete(index: number): void {
    const stack = [index];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (this.#isComplete[next] === 1) continue;
      this.#isComplete[next] = 1;
      for (const neighbour of this.#neighbours(next)) {
        const left = (this.#waiting[neighbour] ?? 0) - 1;
        this.#waiting[neighbour] = left;
        if (left > 0) continue;
        if (this.#plan.nodes[neighbour]?.task) this.#ready.push(neighbour);
        else stack.push(neighbour);
      }
    }
  }

  #reach(index: number): void {
    if (this.#plan.nodes[index]?.task) this.#ready.push(index);
    else this.complete(index);
  }

  #neighbours(index: number): readonly number[] {
    const node = this.#plan.nodes[index];
    return (this.#isBackward ? node?.predecessors : node?.successors) ?? [];
  }
}
