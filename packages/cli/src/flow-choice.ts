import { InvalidArgumentError, NotFoundError } from '@holdfast/core';
import type { AnyFlow } from '@holdfast/flow';
import { loadFlows } from './flow-module.ts';

/**
 * The flow of this name in a module; where the module has only one, its name may be left out. Throws
 * an InvalidArgumentError for a module that can't be loaded or has several flows to choose from, and
 * a NotFoundError where it has none of this name.
 */
export async function chooseFlow(file: string, name: string | undefined): Promise<AnyFlow> {
  const flows = await loadFlows([file], { field: 'file' });
  const names = flows.map((flow) => flow.name).join(', ');
  const [only] = flows;
  if (name === undefined && flows.length === 1 && only) return only;
  if (name === undefined) {
    const description = `is missing, and ${file} has ${flows.length} flows: ${names}`;
    throw new InvalidArgumentError([{ field: '--flow', description }]);
  }
  const found = flows.find((flow) => flow.name === name);
  if (found) return found;
  throw new NotFoundError(`${file} has no flow ${name}; it has ${names}`, { ids: { flow: name } });
}
