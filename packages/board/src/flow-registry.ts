// The flows that can be posted to, as workers registered them. A flow stays registered when its
// workers are gone: jobs for it are accepted and wait.
import type { Coord, Guard, Write } from '@holdfast/coord';
import { UnavailableError } from '@holdfast/core';
import { decodeFlow, encodeFlow } from '@holdfast/wire';
import { listLiveWorkers } from './fleet.ts';
import type { FlowRecord, FlowView } from './flow-record.ts';
import { FLOWS_PREFIX, flowKey } from './keys.ts';
import { type PageOf, type PageQuery, readPage } from './page.ts';

/** How often a registration is tried while others register the same flow. */
const MAX_TRIES = 20;

/**
 * Registers a flow; a shape that is registered already costs a read. A higher version wins, so that a
 * worker of the old one which starts during a rolling upgrade takes nothing back; of the same version the
 * last to register does. Throws UnavailableError while too many register it at once.
 */
export async function registerFlow(coord: Coord, flow: FlowRecord): Promise<void> {
  const key = flowKey(flow.name);
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const entry = (await coord.get([key])).get(key);
    const known = entry && decodeFlow(entry.value);
    if (known && known.version > flow.version) return;
    if (known && known.version === flow.version && known.digest === flow.digest) return;
    const guard: Guard = entry
      ? { kind: 'unchanged', key, version: entry.version }
      : { kind: 'absent', key };
    const write: Write = { kind: 'put', key, value: encodeFlow(flow) };
    if ((await coord.commit({ when: [guard], write: [write] })).committed) return;
  }
  throw new UnavailableError(`flow ${flow.name} is registered by too many at once; try again`);
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
