// One world, from nothing but its seed.
import type { Tamper } from './planted-bugs.ts';
import { type RunReport, runSimulation } from './simulated-run.ts';
import { type PlanOutcome, runPlanOf, type SimulationPlan } from './simulation-plan.ts';

export async function runSeed(
  seed: number,
  options: { readonly tamper: Tamper; readonly print?: (line: string) => void },
): Promise<RunReport> {
  let report: RunReport | undefined;
  const run = async (plan: SimulationPlan): Promise<PlanOutcome> => {
    report = await runSimulation({ seed, plan, ...options });
    return outcomeOf(report);
  };
  await runPlanOf(seed, { shrinkMs: 0, run });
  if (!report) throw new Error(`seed ${seed} was not run`);
  return report;
}

export function outcomeOf(report: RunReport): PlanOutcome {
  return report.violations.length === 0 ? 'held' : 'broken';
}
