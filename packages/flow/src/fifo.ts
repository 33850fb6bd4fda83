/** Items in the order in which they came, each once at a time. Adding and taking cost the same however many there are. */
export class Fifo<Item> {
  readonly #has = new Set<Item>();
  #items: Item[] = [];
  #head = 0;

  get size(): number {
    return this.#has.size;
  }

  has(item: Item): boolean {
    return this.#has.has(item);
  }

  /** Does nothing for an item that is there. */
  add(item: Item): void {
    if (this.#has.has(item)) return;
    this.#has.add(item);
    this.#items.push(item);
  }

  /** The one that came first; undefined when there is none. */
  get first(): Item | undefined {
    return this.#items[this.#head];
  }

  take(): Item | undefined {
    const { first } = this;
    if (first === undefined) return undefined;
    this.#has.delete(first);
    this.#head += 1;
    // What was taken is dropped once it is the larger part, so that it costs nothing on the whole.
    if (2 * this.#head > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return first;
  }
}
