import type { FlowGraphFields, FlowNodeFields, FlowViewFields } from '@holdfast/wire';
import type { TextStyle } from './job-text.ts';
import { formatTable, plainText } from './table.ts';

/** One flow for people: what it is, its tasks in their order, and the schema of its input. */
export function formatFlow({ flow, workers }: FlowViewFields, style: TextStyle): string {
  const { colors } = style;
  const heading = [
    `${colors.dim('flow      ')}${colors.bold(flow.name)}`,
    `${colors.dim('workers   ')}${workers === 0 ? colors.yellow('0') : workers}`,
  ];
  if (flow.description !== '') {
    heading.push(`${colors.dim('what      ')}${plainText(flow.description)}`);
  }
  const columns = [
    { title: 'TASK' },
    { title: 'TAKES', isFlexible: true },
    { title: 'GIVES', isFlexible: true },
  ];
  // The outermost pattern is the flow itself.
  const rows = rowsOf(flow, -1);
  const isEmpty = rows.length === 0;
  return [
    heading.join('\n'),
    isEmpty ? ITS_STEPS_ARE_CODE : formatTable(columns, rows, { ...style, wraps: true }),
    `${colors.bold('Input')}\n${formatSchema(flow.inputSchemaJson)}`,
  ].join('\n\n');
}

/** What stands in the place of the tasks of a durable function. */
export const ITS_STEPS_ARE_CODE = 'Its steps are code, and show only as it runs.';

/** The tasks of a graph so far to the right, below each map what it does for each item. */
function rowsOf({ nodes }: FlowGraphFields, depth: number): readonly (readonly string[])[] {
  return nodes.flatMap((node) => {
    // A map heads the pattern that is named like it.
    const around = node.path.at(-1) === node.name ? node.path.slice(0, -1) : node.path;
    const level = Math.max(0, depth + around.length);
    const own = [
      `${'  '.repeat(level)}${node.name}${roleOf(node)}`,
      node.requires.join(' '),
      node.provides.join(' '),
    ];
    // The path of what is in a map begins with the patterns around the map.
    return [own, ...(node.body ? rowsOf(node.body, depth) : [])];
  });
}

function roleOf({ kind, signal }: FlowNodeFields): string {
  if (signal !== undefined) return ` (waits for signal ${signal})`;
  return kind === undefined ? '' : ` (${kind})`;
}

function formatSchema(json: string): string {
  if (json === '') return "not known: the flow's schema library offers no JSON Schema";
  return plainText(JSON.stringify(JSON.parse(json), null, 2));
}
