import { assert, type Failure } from '@holdfast/core';
import { Fifo } from './fifo.ts';
import type { RunGraph } from './run-graph.ts';
import type { ScopeRevert } from './scope-revert.ts';

/**
 * What a scope does: go forward; let what runs end after a failure; wait for its controller's
 * judgement; wait for the decision to revert to be durable; revert; wait for its next round.
 */
export type ScopePhase = 'forward' | 'settling' | 'judging' | 'marked' | 'reverting' | 'resting';

/** One scope of a run. */
export interface ScopeRun {
  readonly index: number;
  phase: ScopePhase;
  /** Calls under way in it and in the scopes within it. */
  running: number;
  /** Why it is not forward. */
  cause: Failure | undefined;
  revert: ScopeRevert | undefined;
  /** What it waits for to be durable, as a mark of the writer. */
  mark: number | undefined;
}

/** Phases in which a scope waits for something else than time. */
const BUSY: ReadonlySet<ScopePhase> = new Set(['settling', 'judging', 'marked']);

/**
 * The scopes of a run and what each does now; the first is the whole flow. Of a scope and those around it
 * one at most is not forward (S5).
 */
export class ScopeRuns {
  readonly #graph: RunGraph;
  readonly #runs: ScopeRun[] = [];
  /** Those that aren't forward, and that something has happened to since they were looked at. */
  readonly due: Fifo<ScopeRun> = new Fifo();
  readonly #busy = new Set<ScopeRun>();

  constructor(graph: RunGraph) {
    this.#graph = graph;
    this.grow();
  }

  /** Takes up the scopes that the graph has got since. */
  grow(): void {
    for (let index = this.#runs.length; index < this.#graph.scopes.length; index += 1) {
      this.#runs.push({
        index,
        phase: 'forward',
        running: 0,
        cause: undefined,
        revert: undefined,
        mark: undefined,
      });
    }
  }

  get(index: number): ScopeRun {
    const run = this.#runs[index];
    assert(run, `the run has a scope ${index}`);
    return run;
  }

  get flow(): ScopeRun {
    return this.get(0);
  }

  setPhase(run: ScopeRun, phase: ScopePhase): void {
    if (BUSY.has(phase)) this.#busy.add(run);
    else this.#busy.delete(run);
    run.phase = phase;
    if (phase !== 'reverting') run.revert = undefined;
    if (phase !== 'forward') return this.due.add(run);
    run.cause = undefined;
    run.mark = undefined;
  }

  /** True while no scope waits for something else than time, or what runs elsewhere. Asked while nothing runs here. */
  get isResting(): boolean {
    for (const run of this.#busy) {
      // What runs in it while nothing runs here, runs elsewhere.
      if (run.phase === 'judging' || run.running === 0) return false;
    }
    return true;
  }

  /** The scope that a node lies in, then the one around it, and so on. */
  *around(scope: number): Generator<ScopeRun> {
    for (let next: number | undefined = scope; next !== undefined; ) {
      yield this.get(next);
      next = this.#graph.scope(next).parent;
    }
  }

  /** The scope that is not forward, of this one and those around it; undefined when all are. */
  activeAround(scope: number): ScopeRun | undefined {
    for (const run of this.around(scope)) if (run.phase !== 'forward') return run;
    return undefined;
  }

  /** A call for a node in this scope begins, or ends. */
  count(scope: number, change: 1 | -1): void {
    for (const run of this.around(scope)) {
      run.running += change;
      if (run.phase !== 'forward') this.due.add(run);
    }
  }
}
