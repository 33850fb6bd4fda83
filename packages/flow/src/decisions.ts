// What is passed over: what deciders on links keep from running, and the cases that a choice doesn't take.
//
// A no is asked for again after a crash unless the record of the atom that it was said to is durable; what
// else it keeps from running follows from that record, so it needs no record of its own to hold.
import type { BlockDepth } from '@holdfast/core';
import { spreadBlock, widestDepth } from './block.ts';
import { type CallOutcome, unusable } from './call-outcome.ts';
import type { Recovery } from './recovery.ts';
import { isAtom } from './run-graph.ts';
import type { Launch, RunParts } from './run-parts.ts';
import { readResult } from './run-values.ts';
import type { ValueFinder } from './value-finder.ts';

export interface DecisionsParts {
  readonly run: RunParts;
  readonly values: ValueFinder;
  readonly recovery: Recovery;
  readonly launch: (launch: Launch<BlockDepth | undefined>) => void;
  /** Its deciders let this atom run. */
  readonly admit: (index: number) => void;
  /** This atom is passed over. */
  readonly passed: (index: number) => void;
}

/** See the head of this file. */
export class Decisions {
  readonly #parts: DecisionsParts;
  /** Atoms whose deciders have said yes. */
  readonly #admitted = new Set<number>();

  constructor(parts: DecisionsParts) {
    this.#parts = parts;
  }

  /** True for an atom that nobody has to be asked about any more. */
  mayStart(index: number): boolean {
    const { graph, book } = this.#parts.run;
    const { state, tries, forgivenTries } = book.get(index);
    const hasBegun = state !== 'pending' || tries > forgivenTries;
    return hasBegun || this.#admitted.has(index) || graph.node(index).votes.length === 0;
  }

  /** The atom is done, or starts anew: whoever let it run is asked again. */
  forget(index: number): void {
    this.#admitted.delete(index);
  }

  /** Asks the deciders of an atom, one after another; any no keeps it from running. */
  ask(index: number): void {
    const { run, values, launch } = this.#parts;
    const { graph, runner } = run;
    const node = graph.node(index);
    const votes = node.votes.filter((vote) =>
      vote.sources.some((local) => !values.isIgnored(graph.placeFrom(node, local))),
    );
    const call = async (): Promise<CallOutcome<BlockDepth | undefined>> => {
      let depth: BlockDepth | undefined;
      for (const vote of votes) {
        const outcome = await runner.vote(index, vote);
        if (outcome.kind !== 'success') return outcome;
        if (outcome.value) depth = widestDepth(depth, vote.depth);
      }
      return { kind: 'success', value: depth };
    };
    launch({ index, call, ended: (outcome) => this.#decided(index, outcome) });
  }

  /** Passes over what a decider's no to this atom keeps from running besides it. */
  spread(index: number, depth: BlockDepth): void {
    this.#ignore(spreadBlock(this.#parts.run.graph, index, depth));
  }

  /** What is passed over because of these atoms, as far as they have decided by now. */
  passedOverBy(indexes: Iterable<number>): ReadonlySet<number> {
    const { graph, book } = this.#parts.run;
    const found = new Set<number>();
    for (const index of indexes) {
      const { state, blocked, result } = book.get(index);
      const isChoice = graph.node(index).role.kind === 'choice';
      if (state === 'ignore' && blocked)
        for (const each of spreadBlock(graph, index, blocked)) found.add(each);
      else if (isChoice && result) for (const each of this.#otherCases(index)) found.add(each);
    }
    return found;
  }

  /** Makes pending which of these was passed over because of an atom that starts anew; returns its places. */
  reconsider(indexes: Iterable<number>): readonly number[] {
    const { graph, book } = this.#parts.run;
    const ignored = [...indexes].filter((index) => {
      const { state, blocked } = book.get(index);
      return isAtom(graph.node(index)) && state === 'ignore' && !blocked;
    });
    // Few rounds get beyond this point, so they don't cost what the whole flow would.
    if (ignored.length === 0) return [];
    const kept = this.passedOverBy(book.atoms());
    const found = ignored.filter((index) => !kept.has(index));
    for (const index of found) book.reset(index);
    return found;
  }

  /** Passes over the cases that a choice has not taken; nothing for any other atom. */
  passCases(index: number): void {
    this.#ignore(this.#otherCases(index));
  }

  /** The nodes of the cases that a choice has not taken; none for any other atom. */
  #otherCases(index: number): readonly number[] {
    const { graph, book } = this.#parts.run;
    const node = graph.node(index);
    if (node.role.kind !== 'choice') return [];
    const chosen = readResult(book.get(index))['case'];
    return node.role.cases
      .filter(({ name }) => name !== chosen)
      .flatMap(({ nodes }) => nodes.map((local) => graph.placeFrom(node, local)));
  }

  #decided(index: number, outcome: CallOutcome<BlockDepth | undefined>): void {
    const { run, recovery, admit, passed } = this.#parts;
    if (outcome.kind === 'interrupted') return;
    if (outcome.kind === 'failure') {
      run.book.fail(index, unusable('a decider', outcome.thrown));
      return recovery.fail(index);
    }
    if (!recovery.mayStart(index)) return;
    if (outcome.value === undefined) {
      this.#admitted.add(index);
      return admit(index);
    }
    run.book.ignore(index, outcome.value);
    passed(index);
    this.spread(index, outcome.value);
  }

  #ignore(indexes: Iterable<number>): void {
    const { book, graph } = this.#parts.run;
    for (const index of indexes) {
      const { task, isActive } = graph.node(index);
      if (!task || !isActive || book.get(index).state !== 'pending') continue;
      book.ignore(index);
      this.#parts.passed(index);
    }
  }
}
