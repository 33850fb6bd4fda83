import { isAtom, type RunGraph } from './run-graph.ts';

/**
 * Which atoms may start next: those all of whose predecessors are complete. Keeps a counter for each
 * node, so that a whole run costs O(nodes + edges), and each further round of a retry controller what
 * its scope does.
 */
export class Frontier {
  readonly #graph: RunGraph;
  /** Called when a node is complete, points of the order included. */
  readonly #passed: (index: number) => void;
  readonly #waiting: number[] = [];
  readonly #isComplete: boolean[] = [];
  /** Gates that nobody has opened yet. */
  readonly #isShut: boolean[] = [];
  /** Passed over before they were reached. */
  readonly #isPassedOver: boolean[] = [];
  #ready: number[] = [];

  constructor(graph: RunGraph, passed: (index: number) => void) {
    this.#graph = graph;
    this.#passed = passed;
    this.recount(graph.nodes.keys());
  }

  isComplete(index: number): boolean {
    return this.#isComplete[index] === true;
  }

  /** Atoms that have become ready since the last call. */
  takeReady(): readonly number[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  /** Keeps a node from being reached until it is opened. */
  shut(index: number): void {
    this.#isShut[index] = true;
  }

  unshut(index: number): void {
    this.#isShut[index] = false;
  }

  open(index: number): void {
    this.#isShut[index] = false;
    if (this.#waiting[index] === 0 && !this.isComplete(index)) this.#reach(index);
  }

  /** Lets an atom be passed over once everything it waits for is complete. */
  passOver(index: number): void {
    this.#isPassedOver[index] = true;
    if (this.#waiting[index] === 0) this.complete(index);
  }

  /** Marks a node as complete; points of the order beyond it are passed by themselves. */
  complete(index: number): void {
    const queue = [index];
    // The queue grows while it is walked.
    for (const next of queue) {
      if (this.isComplete(next)) continue;
      this.#isComplete[next] = true;
      this.#passed(next);
      for (const successor of this.#graph.node(next).successors) {
        if (!this.#graph.node(successor).isActive) continue;
        const left = (this.#waiting[successor] ?? 0) - 1;
        this.#waiting[successor] = left;
        if (left > 0 || this.#isShut[successor]) continue;
        if (isAtom(this.#graph.node(successor)) && !this.#isPassedOver[successor])
          this.#ready.push(successor);
        else queue.push(successor);
      }
    }
  }

  /** Makes nodes incomplete again: what follows them waits for them anew. Call {@link recount} for them after that. */
  undo(indexes: Iterable<number>): void {
    for (const index of indexes) {
      this.#isPassedOver[index] = false;
      if (!this.isComplete(index)) continue;
      this.#isComplete[index] = false;
      for (const successor of this.#graph.node(index).successors) {
        this.#waiting[successor] = (this.#waiting[successor] ?? 0) + 1;
      }
    }
  }

  /** Counts anew what these nodes wait for; those that wait for nothing are reached. */
  recount(indexes: Iterable<number>): void {
    const free: number[] = [];
    for (const index of indexes) {
      const node = this.#graph.node(index);
      if (!node.isActive) continue;
      let waiting = 0;
      for (const other of node.predecessors) {
        if (this.#graph.node(other).isActive && !this.isComplete(other)) waiting += 1;
      }
      this.#waiting[index] = waiting;
      if (waiting === 0 && !this.isComplete(index) && !this.#isShut[index]) free.push(index);
    }
    for (const index of free) this.#reach(index);
  }

  #reach(index: number): void {
    if (isAtom(this.#graph.node(index)) && !this.#isPassedOver[index]) this.#ready.push(index);
    else this.complete(index);
  }
}
