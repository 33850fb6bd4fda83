import type { FlowViewFields } from '@holdfast/wire';
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
  const rows = flow.nodes.map((node) => [
    // The outermost pattern is the flow itself.
    '  '.repeat(Math.max(0, node.path.length - 1)) + node.name,
    node.requires.join(' '),
    node.provides.join(' '),
  ]);
  return [
    heading.join('\n'),
    formatTable(columns, rows, style),
    `${colors.bold('Input')}\n${formatSchema(flow.inputSchemaJson)}`,
  ].join('\n\n');
}

function formatSchema(json: string): string {
  if (json === '') return "not known: the flow's schema library offers no JSON Schema";
  return plainText(JSON.stringify(JSON.parse(json), null, 2));
}
