import type { FlowFields, FlowGraphFields } from '@holdfast/wire';

/**
 * What to tell somebody who has sent a signal that no task of the flow waits for; empty where one does,
 * and where nobody knows: the flow is not registered (any more), or waits by code.
 */
export function hintOfSignal(flow: FlowFields | undefined, signal: string): string {
  if (!flow || flow.nodes.length === 0) return '';
  const known = signalsOf(flow);
  if (!known || known.has(signal)) return '';
  if (known.size === 0)
    return `Flow ${flow.name} waits for no signal; this one is of no use to it.`;
  return `Flow ${flow.name} doesn't wait for ${signal}; it waits for: ${[...known].join(', ')}`;
}

/** The signals that tasks of the graph wait for; undefined when some of them are not known. */
function signalsOf({ nodes }: FlowGraphFields): ReadonlySet<string> | undefined {
  const signals = new Set<string>();
  for (const { kind, signal, body } of nodes) {
    // Who registered it didn't say yet what it waits for.
    if (kind === 'event' && signal === undefined) return undefined;
    if (signal !== undefined) signals.add(signal);
    const inner = body ? signalsOf(body) : new Set<string>();
    if (!inner) return undefined;
    for (const each of inner) signals.add(each);
  }
  return signals;
}
