// A drawing with nothing but ASCII characters: boxes in layers, from top to bottom.
//
// Invariants:
//   A1. `+` is where lines meet. A line that is crossed is interrupted, as by a bridge.
//   A2. No two nets ever run along the same column: an item is left by a line of its own for each net,
//       and an entry that would lie below another net's line is moved aside by one.
//   A3. No line is wider than asked for. What can't be drawn in that is listed instead, layer by layer.
import { type LayerItem, type LayerNet, layItems, netsInto } from './ascii-layers.ts';
import { type DrawnNode, type FlowDrawing, nodeTexts } from './flow-drawing.ts';

/** Lines of a box before its tasks stand side by side in it. */
const BOX_LINES = 8;
const GAP = 3;
/**
 * Columns between two nets in one row. Lines that cross the row stand three side by side at most, so
 * they never fill it, and the nets never look like one.
 */
const ROW_GAP = 4;

/** The drawing as text, its title above. Ends without a line feed. */
export function toAscii(drawing: FlowDrawing, width: number): string {
  if (drawing.nodes.length === 0) return `${drawing.title}\n\nIts steps show only as it runs.`;
  const items = layItems(drawing);
  const nets = items.map(netsInto);
  const layers = items.map((layer, number) => ({
    shapes: layer.map((item) => createShape(item, nets[number + 1] ?? [], width)),
    nets: nets[number] ?? [],
  }));
  const needed = Math.max(...layers.map(({ shapes }) => packedWidth(shapes)));
  const body =
    needed < width
      ? drawLayers(layers, Math.min(width, needed + GAP * 2))
      : listLayers(drawing, items, width);
  return `${drawing.title}\n\n${body}`;
}

/** Items of a layer, and the nets into it. */
interface Layer {
  readonly shapes: readonly Shape[];
  readonly nets: readonly LayerNet[];
}

/** An item with its size, and its place once it has one. */
interface Shape {
  readonly item: LayerItem;
  readonly lines: readonly string[];
  readonly width: number;
  /** The nets that it is a source of. */
  readonly nets: readonly LayerNet[];
  left: number;
  /** The column of the line into it. */
  entry: number;
}

function createShape(item: LayerItem, netsBelow: readonly LayerNet[], width: number): Shape {
  const nets = netsBelow.filter(({ sources }) => sources.includes(item));
  const exitsWidth = Math.max(1, nets.length * 2 - 1);
  const lines = linesOf(item, { width, exitsWidth });
  return { item, lines, width: lines[0]?.length ?? 0, nets, left: 0, entry: 0 };
}

function linesOf(
  { kind, nodes }: LayerItem,
  room: { readonly width: number; readonly exitsWidth: number },
): readonly string[] {
  switch (kind) {
    case 'lane':
      return ['|'];
    case 'join':
      // One point, however many lines leave it.
      return ['o-'.repeat(room.exitsWidth).slice(0, room.exitsWidth)];
    case 'box':
      return boxLines(nodes, room);
    default:
      return kind satisfies never;
  }
}

/** The column of the line out of a shape into a net. */
function exitOf(shape: Shape, net: LayerNet): number {
  const middle = shape.left + Math.floor((shape.width - 1) / 2);
  return middle - (shape.nets.length - 1) + shape.nets.indexOf(net) * 2;
}

function boxLines(
  nodes: readonly DrawnNode[],
  { width, exitsWidth }: { readonly width: number; readonly exitsWidth: number },
): readonly string[] {
  const texts = nodes.map(textsOf);
  const nameWidth = Math.max(...texts.map(([name = '']) => name.length));
  const labels = texts.map(([name = '', state]) =>
    state === undefined ? name : `${name.padEnd(nameWidth)}  ${state}`,
  );
  const widest = Math.max(exitsWidth, ...labels.map(({ length }) => length));
  const fitting = Math.max(1, Math.floor((width - 4 + GAP) / (widest + GAP)));
  const columns = Math.min(fitting, Math.ceil(labels.length / BOX_LINES));
  const rows = Math.ceil(labels.length / columns);
  const inner = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) =>
      (labels[column * rows + row] ?? '').padEnd(widest),
    ).join(' '.repeat(GAP)),
  );
  const border = `+${'-'.repeat((inner[0]?.length ?? 0) + 2)}+`;
  return [border, ...inner.map((line) => `| ${line} |`), border];
}

/** Without a group around it, a task has to say by itself that it is done for each item. */
function textsOf(node: DrawnNode): readonly string[] {
  const roles = [node.role, node.isOfItem ? 'each item' : ''].filter((role) => role !== '');
  return nodeTexts({ ...node, role: roles.join(', ') });
}

function packedWidth(shapes: readonly Shape[]): number {
  return shapes.reduce((sum, shape) => sum + shape.width, GAP * (shapes.length - 1));
}

function drawLayers(layers: readonly Layer[], width: number): string {
  const rows: string[] = [];
  let above: readonly Shape[] = [];
  for (const { shapes, nets } of layers) {
    const lines = nets.map((net) => ({ net, exits: exitsInto(net, above) }));
    place(shapes, lines, width);
    if (above.length > 0)
      rows.push(
        ...drawGap(
          lines.map((each) => withEntries(each, shapes)),
          width,
        ),
      );
    rows.push(...drawShapes(shapes, width));
    above = shapes;
  }
  return rows.map((row) => row.trimEnd()).join('\n');
}

/** A net with the columns of the lines into it. */
interface NetLines {
  readonly net: LayerNet;
  readonly exits: readonly number[];
}

function exitsInto(net: LayerNet, above: readonly Shape[]): readonly number[] {
  return above.filter(({ nets }) => nets.includes(net)).map((shape) => exitOf(shape, net));
}

/** Puts each shape below the middle of what it waits for, as far as there is room. */
function place(shapes: readonly Shape[], nets: readonly NetLines[], width: number): void {
  let free = nets.length === 0 ? Math.floor((width - packedWidth(shapes)) / 2) : 0;
  for (const shape of shapes) {
    const exits = nets.find(({ net }) => net.targets.includes(shape.item))?.exits ?? [];
    const middle = exits.reduce((sum, column) => sum + column, 0) / Math.max(1, exits.length);
    shape.left = Math.max(free, Math.round(middle - (shape.width - 1) / 2));
    free = shape.left + shape.width + GAP;
  }
  // The last column stays free for a shape that is moved aside (A2).
  let limit = width - 1;
  for (const shape of shapes.toReversed()) {
    shape.left = Math.max(0, Math.min(shape.left, limit - shape.width));
    limit = shape.left - GAP;
  }
  for (const shape of shapes) {
    const middle = shape.left + Math.floor((shape.width - 1) / 2);
    const isForeign = nets.some(
      ({ net, exits }) => exits.includes(middle) && !net.targets.includes(shape.item),
    );
    shape.entry = isForeign ? middle + 1 : middle;
    // What is one line wide goes aside as a whole.
    if (isForeign && shape.item.kind !== 'box') shape.left += 1;
  }
}

/** A net with all of its columns. */
interface Wiring {
  readonly exits: readonly number[];
  readonly entries: readonly number[];
  /** Those of the entries at which the line ends; elsewhere it goes on. */
  readonly heads: readonly number[];
  readonly from: number;
  readonly to: number;
}

function withEntries({ net, exits }: NetLines, shapes: readonly Shape[]): Wiring {
  const targets = shapes.filter(({ item }) => net.targets.includes(item));
  const entries = targets.map(({ entry }) => entry);
  const heads = targets.filter(({ item }) => item.kind !== 'lane').map(({ entry }) => entry);
  const columns = [...exits, ...entries];
  return { exits, entries, heads, from: Math.min(...columns), to: Math.max(...columns) };
}

/** The lines between two layers: out of the upper one, a row for nets that don't touch, arrows. */
function drawGap(nets: readonly Wiring[], width: number): readonly string[] {
  const rows = assignRows(nets);
  const last = Math.max(0, ...rows.values()) + (rows.size === 0 ? 0 : 1);
  const grid = Array.from({ length: last + 1 }, () => Array<string>(width).fill(' '));
  const put = (row: number, column: number, char: string): void => {
    const line = grid[row];
    if (line) line[column] = char;
  };
  for (const [{ from, to }, row] of rows) {
    for (let column = from; column <= to; column += 1) put(row, column, '-');
  }
  for (const net of nets) {
    const track = rows.get(net) ?? last;
    for (const column of net.exits) for (let row = 0; row < track; row += 1) put(row, column, '|');
    for (const column of net.entries)
      for (let row = track; row <= last; row += 1) put(row, column, '|');
  }
  for (const [net, row] of rows) {
    for (const column of [...net.exits, ...net.entries]) put(row, column, '+');
  }
  for (const { heads } of nets) for (const column of heads) put(last, column, 'v');
  return grid.map((line) => line.join(''));
}

/** The row of each net that goes sideways; none for one that leads straight down. */
function assignRows(nets: readonly Wiring[]): ReadonlyMap<Wiring, number> {
  const ends: number[] = [];
  const rows = new Map<Wiring, number>();
  const sideways = nets.filter(({ from, to }) => from !== to);
  for (const net of sideways.toSorted((a, b) => a.from - b.from)) {
    const free = ends.findIndex((end) => end + ROW_GAP < net.from);
    const row = free < 0 ? ends.length : free;
    ends[row] = net.to;
    // The first row is for the lines out of the boxes: nothing else is to look as if it came from one.
    rows.set(net, row + 1);
  }
  return rows;
}

function drawShapes(shapes: readonly Shape[], width: number): readonly string[] {
  const height = Math.max(...shapes.map(({ lines }) => lines.length));
  return Array.from({ length: height }, (_, row) => {
    const line = Array<string>(width).fill(' ');
    for (const shape of shapes) {
      const text = shape.lines[row];
      if (text !== undefined) line.splice(shape.left, text.length, ...text.split(''));
      // Lines go on beside what is higher.
      else for (const net of shape.nets) line[exitOf(shape, net)] = '|';
    }
    return line.join('');
  });
}

/** The layers as a list, each task with what it waits for. */
function listLayers(
  drawing: FlowDrawing,
  layers: readonly (readonly LayerItem[])[],
  width: number,
): string {
  const waitsFor = Map.groupBy(drawing.edges, ({ to }) => to);
  const places = new Map(drawing.nodes.map((node, place) => [node, place]));
  const placeOf = (node: DrawnNode): number => places.get(node) ?? 0;
  return layers
    .map((items) => items.flatMap(({ nodes }) => nodes).toSorted((a, b) => placeOf(a) - placeOf(b)))
    .flatMap((layer, index) =>
      layer.flatMap((node, place) => {
        const text = textsOf(node).join('  ');
        const number = place === 0 ? `${index + 1}` : '';
        const names = (waitsFor.get(node) ?? []).map(({ from }) => from.name);
        return [
          `${number.padStart(4)}  ${node.kind === 'join' ? `o ${text}` : text}`,
          ...wrapNames(names, width - 12).map(
            (line, at) => `${' '.repeat(8)}${at === 0 ? '<-  ' : '    '}${line}`,
          ),
        ];
      }),
    )
    .join('\n');
}

function wrapNames(names: readonly string[], room: number): readonly string[] {
  const lines: string[] = [];
  for (const [index, name] of names.entries()) {
    const text = index === names.length - 1 ? name : `${name},`;
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + text.length > room) lines.push(text);
    else lines[lines.length - 1] = `${last} ${text}`;
  }
  return lines;
}
