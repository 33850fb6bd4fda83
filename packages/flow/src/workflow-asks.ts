import type { Ask, AskSpec } from './workflow-spec.ts';

/** What a durable function has asked for in this run, and what of it it has got. */
export class WorkflowAsks {
  readonly #byName = new Map<string, Ask>();
  readonly #all: Ask[] = [];
  readonly #given = new Set<string>();

  /** In the order of asking. */
  get all(): readonly Ask[] {
    return this.#all;
  }

  /** What the function has not got yet. */
  get open(): readonly Ask[] {
    return this.#all.filter(({ name }) => !this.#given.has(name));
  }

  /** True while the function has not got all that it has asked for. */
  get hasOpen(): boolean {
    return this.#given.size < this.#all.length;
  }

  find(name: string): Ask | undefined {
    return this.#byName.get(name);
  }

  at(index: number): Ask | undefined {
    return this.#all[index];
  }

  add(request: Omit<Ask, 'index'> & { readonly spec: AskSpec }): Ask {
    const ask: Ask = { ...request, index: this.#all.length };
    this.#all.push(ask);
    this.#byName.set(ask.name, ask);
    return ask;
  }

  /** The function has got it. */
  give(name: string): void {
    this.#given.add(name);
  }
}
