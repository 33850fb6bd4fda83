// The part of `ms` 2 that is used here; the package carries no types of its own.
declare module 'ms' {
  /** Milliseconds of a text such as "90s"; undefined when it isn't one. Throws on empty text. */
  function ms(text: string): number | undefined;
  export = ms;
}
