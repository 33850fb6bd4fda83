// What operators can change about a durable function: its reverts. Its steps follow from its code, so that
// nothing but the code says what another way through them would be.
//
// The function's own record, under the flow's name, says whether its reverts are over: they are no more
// when one of them is to be tried again, or what came before it has become free to be reverted.
import {
  type AtomRecord,
  type ChangedTask,
  FailedPreconditionError,
  InvalidArgumentError,
  type TaskState,
} from '@holdfast/core';
import type { ChangePlan, ChangePlanParts } from './job-change-plan.ts';

/** Throws InvalidArgumentError for a step that isn't there, FailedPreconditionError for all that can't be done. */
export function planFunctionChange(parts: Omit<ChangePlanParts, 'direction'>): ChangePlan {
  const { id, flow, atoms, changes } = parts;
  const steps = new Map(atoms.map((atom) => [atom.name, atom]));
  const root = steps.get(flow.name);
  steps.delete(flow.name);
  const after = new Map<string, TaskState>();
  for (const [index, change] of changes.entries()) {
    switch (change.kind) {
      case 'revert':
        for (const { name, state } of steps.values())
          if (state === 'revertFailure' && !after.has(name)) after.set(name, 'reverting');
        break;
      case 'retryRevert':
      case 'resolveRevert': {
        const isResolved = change.kind === 'resolveRevert';
        const field = `changes[${index}].${isResolved ? 'resolve_revert' : 'retry_revert'}.task`;
        checkStep(steps.get(change.task), { id, field, task: change.task });
        after.set(change.task, isResolved ? 'reverted' : 'reverting');
        break;
      }
      case 'retryFrom':
      case 'setResult':
      case 'skip':
        throw refused(
          id,
          `${flow.name} is a durable function, whose steps follow from its code; revive it`,
        );
      default:
        change satisfies never;
    }
  }
  if (root?.state === 'revertFailure' && after.size > 0) after.set(root.name, 'reverting');
  const tasks = [...after].map(
    ([task, state]): ChangedTask => ({ task, before: stateOf(atoms, task), after: state }),
  );
  return { tasks, states: after };
}

function checkStep(
  step: AtomRecord | undefined,
  { id, field, task }: { readonly id: string; readonly field: string; readonly task: string },
): void {
  if (!step) {
    throw new InvalidArgumentError(field, { value: task, allowed: 'a step that has begun' });
  }
  if (step.state === 'revertFailure') return;
  throw refused(id, `no revert of step ${task} has failed: it is ${step.state}`);
}

function stateOf(atoms: readonly AtomRecord[], task: string): TaskState {
  return atoms.find(({ name }) => name === task)?.state ?? 'pending';
}

function refused(id: string, why: string): FailedPreconditionError {
  return new FailedPreconditionError(`job ${id} can't be changed so: ${why}`, {
    ids: { jobId: id },
  });
}
