import type { FlowOutput } from '@holdfast/core';
import type { AnyFlow } from '../flow.ts';
import {
  type FlowTrial,
  startTrial,
  type TestFlowArguments,
  type TestFlowOptions,
} from './flow-trial.ts';

/** What {@link testEveryCrash} takes. */
export interface CrashTrialOptions<F extends AnyFlow = AnyFlow>
  extends Omit<TestFlowOptions<F>, 'crashAfter' | 'clock'> {
  /** Called before each run of the flow: the place to reset what its tasks change outside of it. */
  readonly before?: (() => void | Promise<void>) | undefined;
}

/** A trial whose process died once. */
export interface InterruptedTrial<Output = unknown> {
  /** After so many durable commits. */
  readonly crashAfter: number;
  /** As the crash left it. */
  readonly crashed: FlowTrial<Output>;
  /** How it ended, once it was resumed. */
  readonly trial: FlowTrial<Output>;
}

/** A flow that ran through once, and was cut off at each of its commits. */
export interface CrashTrials<Output = unknown> {
  readonly uninterrupted: FlowTrial<Output>;
  /** One for a crash before the first commit, and one for each commit but the last, which ends the flow. */
  readonly interrupted: readonly InterruptedTrial<Output>[];
}

/**
 * Lets a flow run through, then once more for each of its commits with a crash right after it, and
 * resumes each of those. Rejects with what {@link CrashTrialOptions.before} throws.
 *
 * @example
 * const { uninterrupted, interrupted } = await testEveryCrash(order, { input: { id: 7 } });
 * for (const { trial } of interrupted) expect(trial.output).toEqual(uninterrupted.output);
 */
export async function testEveryCrash<F extends AnyFlow>(
  flow: F,
  ...[options]: TestFlowArguments<F, CrashTrialOptions<F>>
): Promise<CrashTrials<FlowOutput<F>>> {
  const { before, ...rest }: CrashTrialOptions = options ?? {};
  await before?.();
  const uninterrupted = await startTrial<FlowOutput<F>>(flow, rest);
  const interrupted: InterruptedTrial<FlowOutput<F>>[] = [];
  for (let crashAfter = 0; crashAfter < uninterrupted.commits; crashAfter += 1) {
    await before?.();
    const crashed = await startTrial<FlowOutput<F>>(flow, { ...rest, crashAfter });
    // A flow whose commits come together differently may be through before it crashes.
    const trial = crashed.kind === 'crashed' ? await crashed.resume() : crashed;
    interrupted.push({ crashAfter, crashed, trial });
  }
  return { uninterrupted, interrupted };
}
