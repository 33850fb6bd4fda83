/** Items of which the least comes first. Adding and taking cost the logarithm of how many there are. */
export class Heap<Item> {
  readonly #isLess: (one: Item, other: Item) => boolean;
  readonly #items: Item[] = [];

  constructor(isLess: (one: Item, other: Item) => boolean) {
    this.#isLess = isLess;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The least; undefined when there is none. */
  get first(): Item | undefined {
    return this.#items[0];
  }

  add(item: Item): void {
    let place = this.#items.length;
    for (; place > 0; ) {
      const above = (place - 1) >> 1;
      const other = this.#items[above];
      if (other === undefined || !this.#isLess(item, other)) break;
      this.#items[place] = other;
      place = above;
    }
    this.#items[place] = item;
  }

  take(): Item | undefined {
    const { first } = this;
    const last = this.#items.pop();
    if (last !== undefined && this.#items.length > 0) this.#sink(last);
    return first;
  }

  /** Lets the item take the first place, and go down to where it belongs. */
  #sink(item: Item): void {
    let place = 0;
    for (;;) {
      const below = this.#leastBelow(place);
      const other = this.#items[below];
      if (other === undefined || !this.#isLess(other, item)) break;
      this.#items[place] = other;
      place = below;
    }
    this.#items[place] = item;
  }

  #leastBelow(place: number): number {
    const left = 2 * place + 1;
    const [one, other] = [this.#items[left], this.#items[left + 1]];
    return one !== undefined && other !== undefined && this.#isLess(other, one) ? left + 1 : left;
  }
}
