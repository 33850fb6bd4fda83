import { assert, type Failure } from '@holdfast/core';
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
}

/** The scopes of a run and what each does now; the first is the whole flow. */
export class ScopeRuns {
  readonly #graph: RunGraph;
  readonly #runs: ScopeRun[] = [];
  /** Those that are not forward. */
  readonly active: Set<ScopeRun> = new Set();

  constructor(graph: RunGraph) {
    this.#graph = graph;
    this.grow();
  }

  /** Takes up the scopes that the graph has got since. */
  grow(): void {
    for (let index = this.#runs.length; index < this.#graph.scopes.length; index += 1) {
      this.#runs.push({ index, phase: 'forward', running: 0, cause: undefined, revert: undefined });
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
    run.phase = phase;
    if (phase === 'forward') this.active.delete(run);
    else this.active.add(run);
    if (phase === 'reverting') return;
    run.revert = undefined;
    if (phase === 'forward') run.cause = undefined;
  }

  /** The scope that a node lies in, then the one around it, and so on. */
  *around(scope: number): Generator<ScopeRun> {
    for (let next: number | undefined = scope; next !== undefined; ) {
      yield this.get(next);
      next = this.#graph.scope(next).parent;
    }
  }

  /** The outermost scope around that is not forward, this one included (S5). */
  outermostActive(scope: number): ScopeRun | undefined {
    let found: ScopeRun | undefined;
    for (const run of this.around(scope)) if (run.phase !== 'forward') found = run;
    return found;
  }

  /** A call for a node in this scope begins, or ends. */
  count(scope: number, change: 1 | -1): void {
    for (const run of this.around(scope)) run.running += change;
  }
}
