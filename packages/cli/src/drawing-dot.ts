import { STATE_PAINT } from './drawn-state.ts';
import {
  type DrawnEdge,
  type DrawnGroup,
  type DrawnNode,
  type FlowDrawing,
  nodeTexts,
} from './flow-drawing.ts';

const PLAIN = { fill: '#f4f4f4', line: '#555555' };

/** A drawing in the DOT language, for Graphviz, its texts in this font. Ends without a line feed. */
export function toDot({ flow, title, group, edges }: FlowDrawing, font = 'sans-serif'): string {
  const fontname = `fontname=${quote(font)}`;
  return [
    `digraph ${quote(flow)} {`,
    `  graph [label=${quote(title)}, labelloc=t, ${fontname}, fontsize=13, compound=true];`,
    `  node [shape=box, style="rounded,filled", ${fontname}, fontsize=11, fontcolor="#1b1b1b"];`,
    `  edge [${fontname}, fontsize=9, color="#555555", fontcolor="#444444"];`,
    ...contentOf(group, '  '),
    ...edges.map(edgeLine),
    '}',
  ].join('\n');
}

function contentOf(group: DrawnGroup, indent: string): readonly string[] {
  return [
    ...group.nodes.map((node) => `${indent}${nodeLine(node)}`),
    ...group.groups.flatMap((inner) => [
      `${indent}subgraph ${quote(`cluster_${inner.id}`)} {`,
      `${indent}  graph [label=${quote(inner.name)}, labeljust=l, style="rounded,dashed", color="#999999", fontsize=10];`,
      ...contentOf(inner, `${indent}  `),
      `${indent}}`,
    ]),
  ];
}

function nodeLine(node: DrawnNode): string {
  const { name, kind, state } = node;
  if (kind === 'join') return `${quote(name)} [shape=point, width=0.06, class="join"];`;
  const { fill, line } = state === undefined ? PLAIN : STATE_PAINT[state.paint];
  const label = nodeTexts(node).join('\n');
  const kinds = state === undefined ? 'task' : `task ${state.paint}`;
  return `${quote(name)} [label=${quote(label)}, fillcolor="${fill}", color="${line}", class="${kinds}"];`;
}

function edgeLine({ from, to, label }: DrawnEdge): string {
  const attributes = label === '' ? '' : ` [label=${quote(label)}]`;
  return `  ${quote(from.name)} -> ${quote(to.name)}${attributes};`;
}

/** A quoted string of DOT, in which nothing but a line feed means anything. */
function quote(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return `"${escaped.replaceAll('\n', '\\n')}"`;
}
