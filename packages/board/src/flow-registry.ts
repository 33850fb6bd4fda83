// The flows that can be posted to, as workers registered them. A flow stays registered when its
// workers are gone: jobs for it are accepted and wait.
import type { Coord } from '@holdfast/coord';
import { decodeFlow, encodeFlow } from '@holdfast/wire';
import { listLiveWorkers } from './fleet.ts';
import type { FlowRecord, FlowView } from './flow-record.ts';
import { FLOWS_PREFIX, flowKey } from './keys.ts';
import { type PageOf, type PageQuery, readPage } from './page.ts';

/** Registers a flow; a shape that is registered already costs a read. The last one to register wins. */
export async function registerFlow(coord: Coord, flow: FlowRecord): Promise<void> {
  const key = flowKey(flow.name);
  const entry = (await coord.get([key])).get(key);
  if (entry && decodeFlow(entry.value).digest === flow.digest) return;
  await coord.commit({ when: [], write: [{ kind: 'put', key, value: encodeFlow(flow) }] });
}

/** A registered flow and how many live workers serve it; undefined when it isn't registered. */
export async function viewFlow(coord: Coord, name: string): Promise<FlowView | undefined> {
  const key = flowKey(name);
  const [entries, live] = await Promise.all([coord.get([key]), listLiveWorkers(coord)]);
  const entry = entries.get(key);
  if (!entry) return undefined;
  return {
    flow: decodeFlow(entry.value),
    workers: live.filter((worker) => worker.flows.includes(name)).length,
  };
}

/** One page of the registered flows, by name. */
export async function pageOfFlows(coord: Coord, query: PageQuery): Promise<PageOf<FlowView>> {
  const [page, live] = await Promise.all([
    readPage(coord, FLOWS_PREFIX, query),
    listLiveWorkers(coord),
  ]);
  const items = page.items.map((entry) => {
    const flow = decodeFlow(entry.value);
    return { flow, workers: live.filter((worker) => worker.flows.includes(flow.name)).length };
  });
  return { ...page, items };
}
