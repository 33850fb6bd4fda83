/**
 * What is left of a value after it was stored as JSON and read back: the type that tasks downstream
 * and clients get. A `Date` is a string by then, a `Map` an empty object, and a `bigint` can't be
 * stored at all, which `NotStorable` makes visible to the compiler.
 */
export type Stored<Value> = unknown extends Value
  ? Value
  : Value extends string | number | boolean | null | undefined
    ? Value
    : Value extends bigint | symbol
      ? NotStorable
      : Value extends { toJSON(...args: never[]): infer Json }
        ? Stored<Json>
        : Value extends (...args: never[]) => unknown
          ? undefined
          : Value extends ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>
            ? NotStorable
            : Value extends object
              ? { [Key in keyof Value]: Stored<Value[Key]> }
              : Value;

declare const notStorable: unique symbol;
/** Stands for a value that JSON can't hold; nothing but `unknown` accepts it. */
export interface NotStorable {
  readonly [notStorable]: 'this value has no form in JSON';
}
