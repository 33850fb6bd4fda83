import {
  type AnyFlow,
  flow,
  graph,
  linear,
  link,
  map,
  task,
  times,
  when,
  withRetry,
} from '@holdfast/flow';
import { z } from 'zod';

const ONCE = { attempts: 1 };

const plan = task({
  name: 'plan',
  requires: { sizes: z.array(z.number()) },
  provides: { isLarge: z.boolean() },
  execute: ({ sizes }) => ({ isLarge: sizes.length > 2 }),
  revert: () => undefined,
});

/** Fails in its first round, and always where `sizes` says so. */
const check = task({
  name: 'check',
  requires: { round: z.number(), sizes: z.array(z.number()) },
  retry: ONCE,
  execute: ({ round, sizes }) => {
    if (round === 1 || sizes.includes(0)) throw new Error(`round ${round}`);
  },
  revert: () => undefined,
});

const beside = task({
  name: 'beside',
  provides: { word: z.string() },
  execute: () => ({ word: 'beside' }),
  revert: () => undefined,
});

const double = task({
  name: 'double',
  requires: { size: z.number() },
  provides: { twice: z.number() },
  execute: ({ size }) => ({ twice: 2 * size }),
  revert: () => undefined,
});

const large = task({
  name: 'large',
  provides: { kind: z.string() },
  execute: () => ({ kind: 'large' }),
});
const small = task({
  name: 'small',
  provides: { kind: z.string() },
  execute: () => ({ kind: 'small' }),
});

const step = <const Name extends string>(name: Name) =>
  task({ name, execute: () => undefined, revert: () => undefined });
const [asked, next, after] = [step('asked'), step('next'), step('after')];

/** Something of everything that the engine does: rounds within rounds that fail, a choice, a decider, a map, reverts. */
export const golden: AnyFlow = flow({
  name: 'golden',
  input: z.object({ sizes: z.array(z.number()) }),
  body: linear(
    'main',
    plan,
    map('each', { over: 'sizes', as: 'size', body: double, collect: { twice: 'doubled' } }),
    when('which', {
      if: { requires: { isLarge: z.boolean() }, decide: ({ isLarge }) => isLarge },
      do: large,
      otherwise: small,
    }),
    graph('links', {
      tasks: [asked, next, after],
      links: [link(asked, next, { decide: () => false, depth: 'atom' }), [next, after]],
    }),
    withRetry(
      times({ attempts: 2, provides: 'outerRound' }),
      linear(
        'around',
        step('before'),
        withRetry(times({ attempts: 2, provides: 'round' }), linear('scope', beside, check)),
      ),
    ),
  ),
  output: ['doubled', 'kind', 'word'],
});
