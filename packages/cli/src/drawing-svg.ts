import { InvalidArgumentError } from '@holdfast/core';
import { toDot } from './drawing-dot.ts';
import type { FlowDrawing } from './flow-drawing.ts';

/** Tasks, joins and edges that are laid out here; larger ones take Graphviz itself, and its time. */
export const SVG_SIZE_MAX = 2000;

/**
 * The layout knows the widths of this font, and takes any font that it doesn't know for a narrow one.
 * All that stand in for it in {@link FONTS} are as wide or narrower, so each name fits in its box
 * whatever fonts there are where the picture is looked at.
 */
const LAYOUT_FONT = 'Courier';
const FONTS = "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace";

/**
 * A drawing as a picture, laid out by Graphviz. Ends without a line feed. Throws an
 * InvalidArgumentError for one with more than {@link SVG_SIZE_MAX} parts.
 */
export async function toSvg(drawing: FlowDrawing): Promise<string> {
  const size = drawing.nodes.length + drawing.edges.length;
  if (size > SVG_SIZE_MAX) {
    const description =
      `flow ${drawing.flow} has ${size} tasks and edges, and a picture has room for ${SVG_SIZE_MAX}; ` +
      'take --format dot, and lay it out with Graphviz';
    throw new InvalidArgumentError([{ field: '--format', description }]);
  }
  // Several megabytes that no other command needs.
  const { instance } = await import('@viz-js/viz');
  const viz = await instance();
  const svg = viz.renderString(toDot(drawing, LAYOUT_FONT), { format: 'svg' }).trimEnd();
  // Quotes in a name are written as entities, so nothing but the attribute looks like this.
  return svg.replaceAll(/(?<= font-family=")Courier[^"]*/g, FONTS);
}
