// Where everything of a drawing stands when it is drawn with characters, from top to bottom.
//
// Invariants:
//   L1. Tasks that wait for the same and are waited for by the same share a box: they run side by side.
//   L2. Items that wait for the same share a net. They all stand in one layer, so each net lies between
//       two layers.
//   L3. An edge from further above leads through lanes to the net that it belongs to. A lane belongs to
//       one net only: lines of two nets that met in a lane could not be told apart below it.
import type { DrawnNode, FlowDrawing } from './flow-drawing.ts';

/** A box, a join, or the continuation of an edge. */
export interface LayerItem {
  readonly kind: 'box' | 'join' | 'lane';
  /** The tasks of a box. */
  readonly nodes: readonly DrawnNode[];
  /** What it waits for, in the layer right above. */
  readonly above: readonly LayerItem[];
}

/** The items by layer, each as far as possible below what it waits for. */
export function layItems(drawing: FlowDrawing): readonly (readonly LayerItem[])[] {
  const classes = findClasses(drawing);
  const byLayer = Map.groupBy(classes, ({ layer }) => layer);
  const passing = findLanes(classes);
  const starting = Map.groupBy(
    new Set([...passing.values()].flatMap((each) => [...each.values()])),
    ({ from }) => from.layer + 1,
  );
  let lanes: readonly Lane[] = [];
  const drawn = new Map<Class | Lane, LayerItem>();
  const layers: LayerItem[][] = [];
  for (let layer = 0; byLayer.has(layer); layer += 1) {
    const items: (readonly [Class | Lane, LayerItem])[] = [];
    for (const one of byLayer.get(layer) ?? []) {
      const above = [...one.before].map((from) =>
        mustGet<Class | Lane, LayerItem>(drawn, passing.get(one)?.get(from) ?? from),
      );
      items.push([one, { kind: one.kind === 'join' ? 'join' : 'box', nodes: one.nodes, above }]);
    }
    lanes = [...lanes.filter((lane) => lane.layer >= layer), ...(starting.get(layer) ?? [])];
    for (const lane of lanes) {
      const above = [drawn.get(lane) ?? mustGet<Class | Lane, LayerItem>(drawn, lane.from)];
      items.push([lane, { kind: 'lane', nodes: [], above }]);
    }
    for (const [key, item] of items) drawn.set(key, item);
    layers.push(
      sortByPlace(
        items.map(([, item]) => item),
        layers.at(-1) ?? [],
      ),
    );
  }
  return layers;
}

/** The way of an edge through layers where it neither begins nor ends. */
interface Lane {
  readonly from: Class;
  /** The last layer that it passes. */
  readonly layer: number;
}

/** For each class the lanes to it, by where they come from. Classes of one net have the same (L3). */
function findLanes(classes: readonly Class[]): ReadonlyMap<Class, ReadonlyMap<Class, Lane>> {
  const numbers = new Map(classes.map((one, number) => [one, number]));
  const byNet = new Map<string, ReadonlyMap<Class, Lane>>();
  const lanes = new Map<Class, ReadonlyMap<Class, Lane>>();
  for (const one of classes) {
    const net = [...one.before]
      .map((from) => numbers.get(from) ?? 0)
      .toSorted((a, b) => a - b)
      .join(' ');
    const far = [...one.before].filter((from) => from.layer < one.layer - 1);
    const known =
      byNet.get(net) ?? new Map(far.map((from) => [from, { from, layer: one.layer - 1 }]));
    byNet.set(net, known);
    lanes.set(one, known);
  }
  return lanes;
}

/** Nodes that wait for the same and are waited for by the same (L1). */
interface Class {
  readonly kind: DrawnNode['kind'];
  readonly nodes: DrawnNode[];
  readonly before: Set<Class>;
  layer: number;
}

function findClasses({ nodes, edges }: FlowDrawing): readonly Class[] {
  const before = new Map<DrawnNode, DrawnNode[]>(nodes.map((node) => [node, []]));
  const after = new Map<DrawnNode, DrawnNode[]>(nodes.map((node) => [node, []]));
  for (const { from, to } of edges) {
    before.get(to)?.push(from);
    after.get(from)?.push(to);
  }
  const keyOf = (node: DrawnNode): string =>
    [before, after]
      .map((side) =>
        (side.get(node) ?? [])
          .map(({ id }) => id)
          .toSorted()
          .join(' '),
      )
      .join('|');
  const byKey = new Map<string, Class>();
  const classOf = new Map<DrawnNode, Class>();
  for (const node of nodes) {
    const key = node.kind === 'join' ? node.id : keyOf(node);
    const known = byKey.get(key) ?? { kind: node.kind, nodes: [], before: new Set(), layer: 0 };
    known.nodes.push(node);
    byKey.set(key, known);
    classOf.set(node, known);
  }
  for (const { from, to } of edges) mustGet(classOf, to).before.add(mustGet(classOf, from));
  return sortTopologically([...byKey.values()]);
}

/** Every class after all that it waits for, its layer right below the lowest of those. */
function sortTopologically(classes: readonly Class[]): readonly Class[] {
  const after = new Map<Class, Class[]>(classes.map((one) => [one, []]));
  const waits = new Map<Class, number>();
  for (const one of classes) {
    waits.set(one, one.before.size);
    for (const before of one.before) after.get(before)?.push(one);
  }
  const sorted = classes.filter((one) => one.before.size === 0);
  for (const one of sorted) {
    for (const next of after.get(one) ?? []) {
      next.layer = Math.max(next.layer, one.layer + 1);
      const left = (waits.get(next) ?? 0) - 1;
      waits.set(next, left);
      if (left === 0) sorted.push(next);
    }
  }
  return sorted;
}

/** Each item below the middle of what it waits for. */
function sortByPlace(items: readonly LayerItem[], above: readonly LayerItem[]): LayerItem[] {
  const places = new Map(above.map((item, place) => [item, place]));
  const placeOf = ({ above: waitsFor }: LayerItem): number => {
    const known = waitsFor.map((item) => places.get(item) ?? 0);
    return known.reduce((sum, place) => sum + place, 0) / Math.max(1, known.length);
  };
  return items.toSorted((a, b) => placeOf(a) - placeOf(b));
}

function mustGet<Key, Value>(map: ReadonlyMap<Key, Value>, key: Key): Value {
  const found = map.get(key);
  if (found === undefined) throw new TypeError('an edge leads to what is not drawn');
  return found;
}

/** Items of one layer that wait for the same (L2). */
export interface LayerNet {
  readonly sources: readonly LayerItem[];
  readonly targets: readonly LayerItem[];
}

/** The nets into a layer. */
export function netsInto(items: readonly LayerItem[]): readonly LayerNet[] {
  const numbers = new Map<LayerItem, number>();
  const nets = new Map<string, { sources: readonly LayerItem[]; targets: LayerItem[] }>();
  for (const item of items) {
    if (item.above.length === 0) continue;
    for (const above of item.above) numbers.set(above, numbers.get(above) ?? numbers.size);
    const key = item.above
      .map((above) => numbers.get(above) ?? 0)
      .toSorted((a, b) => a - b)
      .join(' ');
    const net = nets.get(key) ?? { sources: item.above, targets: [] };
    net.targets.push(item);
    nets.set(key, net);
  }
  return [...nets.values()];
}
