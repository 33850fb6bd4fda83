import { STATE_PAINT } from './drawn-state.ts';
import {
  type DrawnEdge,
  type DrawnGroup,
  type DrawnNode,
  type FlowDrawing,
  nodeTexts,
} from './flow-drawing.ts';

/** A drawing as a Mermaid flowchart. Ends without a line feed. */
export function toMermaid(drawing: FlowDrawing): string {
  const { group, edges, nodes, title } = drawing;
  return [
    '---',
    // JSON is YAML, and quotes what YAML would take for something else.
    `title: ${JSON.stringify(title)}`,
    '---',
    'flowchart TD',
    ...contentOf(group, '  '),
    ...edges.map(edgeLine),
    ...classLines(nodes),
  ].join('\n');
}

function contentOf(group: DrawnGroup, indent: string): readonly string[] {
  return [
    ...group.nodes.map((node) => `${indent}${nodeText(node)}`),
    ...group.groups.flatMap((inner) => [
      `${indent}subgraph ${inner.id}["${escapeText(inner.name)}"]`,
      ...contentOf(inner, `${indent}  `),
      `${indent}end`,
    ]),
  ];
}

function nodeText(node: DrawnNode): string {
  const { id, kind, state } = node;
  if (kind === 'join') return `${id}((" ")):::join`;
  const text = `${id}["${nodeTexts(node).map(escapeText).join('<br/>')}"]`;
  return state === undefined ? text : `${text}:::${state.paint}`;
}

function edgeLine({ from, to, label }: DrawnEdge): string {
  return `  ${from.id} -->${label === '' ? '' : `|"${escapeText(label)}"|`} ${to.id}`;
}

function classLines(nodes: readonly DrawnNode[]): readonly string[] {
  const paints = new Set(nodes.flatMap(({ state }) => (state === undefined ? [] : [state.paint])));
  const lines = [...paints].map((paint) => {
    const { fill, line } = STATE_PAINT[paint];
    return `  classDef ${paint} fill:${fill},stroke:${line},color:#1b1b1b`;
  });
  const hasJoins = nodes.some(({ kind }) => kind === 'join');
  return hasJoins ? [...lines, '  classDef join fill:#555,stroke:#555,font-size:1px'] : lines;
}

/** Whatever Mermaid or Markdown could take for more than a letter becomes a character code. */
function escapeText(text: string): string {
  return text.replaceAll(/[^\p{L}\p{N} ,._-]/gu, (char) => `#${char.codePointAt(0)};`);
}
