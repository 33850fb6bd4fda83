// What one simulated world is like, as fast-check draws it from a seed: so that a world that breaks a
// promise can be shrunk to a smaller one that breaks it too.
import * as fc from 'fast-check';
import { FAULT_KINDS, type FaultKind } from './fault-schedule.ts';
import { flowOutline, type GroupOutline } from './flow-outline.ts';

export interface SimulationPlan {
  readonly flows: readonly GroupOutline[];
  readonly faults: readonly FaultKind[];
  readonly workers: number;
  readonly servers: number;
  readonly concurrency: number;
  readonly leaseTtlMs: number;
  /** How long each storm lasts, in seconds; between two storms lies a night. */
  readonly stormsSeconds: readonly number[];
  /** A night without any process, in minutes. */
  readonly nightMinutes: number;
  /** Mean time between two faults, and between two acts of producers, in milliseconds. */
  readonly faultEveryMs: number;
  readonly actEveryMs: number;
  /** Small jobs posted at once in the first storm. */
  readonly backlog: number;
  /** Whether half of the workers have a second version of the flows, and that one goes on with jobs of the first. */
  readonly versions: 'one' | 'continued' | 'apart';
}

const plan: fc.Arbitrary<SimulationPlan> = fc.record({
  flows: fc.array(flowOutline, { minLength: 1, maxLength: 3 }),
  faults: fc.oneof(
    { weight: 3, arbitrary: fc.constant([...FAULT_KINDS]) },
    fc.subarray([...FAULT_KINDS]),
  ),
  workers: fc.integer({ min: 2, max: 5 }),
  servers: fc.integer({ min: 1, max: 2 }),
  concurrency: fc.integer({ min: 1, max: 8 }),
  leaseTtlMs: fc.constantFrom(1000, 3000, 10_000),
  stormsSeconds: fc.array(fc.integer({ min: 10, max: 50 }), { minLength: 1, maxLength: 3 }),
  nightMinutes: fc.integer({ min: 0, max: 2880 }),
  faultEveryMs: fc.constantFrom(300, 1000, 3000),
  actEveryMs: fc.constantFrom(150, 400, 1500),
  backlog: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 0, 700),
  versions: fc.constantFrom('one', 'one', 'one', 'continued', 'apart'),
});

export type PlanOutcome = 'held' | 'broken';

/** Runs `run` on the plan of this seed; when a promise breaks, on smaller plans too, smallest last. */
export async function runPlanOf(
  seed: number,
  options: {
    readonly run: (plan: SimulationPlan) => Promise<PlanOutcome>;
    /** How long shrinking may take, in milliseconds of real time; 0 = no shrinking. */
    readonly shrinkMs: number;
  },
): Promise<void> {
  const { run, shrinkMs } = options;
  const property = fc.asyncProperty(plan, async (drawn) => (await run(drawn)) === 'held');
  await fc.check(property, {
    seed,
    numRuns: 1,
    endOnFailure: shrinkMs === 0,
    ...(shrinkMs === 0 ? {} : { interruptAfterTimeLimit: shrinkMs }),
  });
}
