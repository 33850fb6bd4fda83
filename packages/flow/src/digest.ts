import { createHash } from 'node:crypto';
import type { CompiledGraph } from './compiled-graph.ts';

/** A hash, in hex, over what a flow looks like from outside. Computed, without any I/O. */
export function digestOf(shape: {
  readonly name: string;
  readonly description: string;
  readonly inputSchemaJson: string;
  readonly graph: CompiledGraph;
}): string {
  const { name, description, inputSchemaJson, graph } = shape;
  // An array rather than an object: the order of its parts is fixed by this line.
  const text = JSON.stringify([name, description, inputSchemaJson, graph]);
  return createHash('sha256').update(text).digest('hex');
}
