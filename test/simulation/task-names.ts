// What the names of the simulated flows' tasks say about them, so that whoever stands outside can judge
// what is done with a task without knowing its flow.
//
//   t3, l3   run user code where their flow runs       ask, act, quick, slow, deadly   likewise
//   r3       runs user code as a task job of its own   r-side, r-deadly                likewise
//   c1, w3, d3, m3, s3, wait                           steps of the engine, without effect outside
//   x-…      whatever it is, choices or deciders keep it from ever running
//   t3[1]    of an item of a map

export interface TaskNature {
  /** Kept from running, always. */
  readonly isKeptOut: boolean;
  readonly hasEffect: boolean;
  readonly isRemote: boolean;
}

/** What names begin with that nobody may ever run. */
export const KEPT_OUT = 'x-';

const EFFECT = /^([tlr]\d+|ask|act|quick|slow|deadly|r-side|r-deadly)(\[\d+\])*$/;

export function natureOf(name: string): TaskNature {
  const isKeptOut = name.startsWith(KEPT_OUT);
  const own = isKeptOut ? name.slice(KEPT_OUT.length) : name;
  const hasEffect = EFFECT.test(own);
  return { isKeptOut, hasEffect, isRemote: hasEffect && own.startsWith('r') };
}
