// The conformance suite of the coordination seam on real ZooKeepers: on one server, and on an ensemble
// of three where each handle has another member, so that what one handle is told has to hold for what
// the next one reads elsewhere.
import type { Coord, Session } from '@holdfast/coord';
import { type ConformanceStore, describeCoordConformance } from '@holdfast/coord/conformance';
import { openZooKeeperCoord } from '@holdfast/coord-zookeeper';
import { systemClock, systemRandom } from '@holdfast/core';
import { afterAll, beforeAll } from 'vitest';
import {
  endSession,
  startZooKeeper,
  startZooKeeperEnsemble,
  type ZooKeeperEnsemble,
  type ZooKeeperServer,
} from '../support/zookeeper-server.ts';

let server: ZooKeeperServer;
let ensemble: ZooKeeperEnsemble;
/** Three servers on one busy disk may take seconds to agree on a new session. */
const DIAL_TIMEOUT_MS = 10_000;

let stores = 0;

beforeAll(async () => {
  [server, ensemble] = await Promise.all([startZooKeeper(), startZooKeeperEnsemble()]);
});

afterAll(async () => {
  await Promise.all([server.stop(), ensemble.stop()]);
});

describeCoordConformance('zookeeper', { open: () => openStore(() => [server]) });

describeCoordConformance('zookeeper, three members', {
  open: () => openStore(() => ensemble.members),
});

async function openStore(members: () => readonly ZooKeeperServer[]): Promise<ConformanceStore> {
  stores += 1;
  const prefix = `/conformance-${stores}`;
  const handles: Coord[] = [];
  const memberOf = (handle: number): ZooKeeperServer => {
    const all = members();
    const member = all[handle % all.length];
    if (!member) throw new Error('there is no server');
    return member;
  };
  const openAnother = async (): Promise<Coord> => {
    const { endpoint, tickTimeMs } = memberOf(handles.length);
    const coord = openZooKeeperCoord({
      servers: [endpoint],
      prefix,
      tickTimeMs,
      dialTimeoutMs: DIAL_TIMEOUT_MS,
      clock: systemClock,
      random: systemRandom,
    });
    handles.push(coord);
    await coord.start();
    return coord;
  };
  return {
    coord: await openAnother(),
    openAnother,
    expireSession: (session: Session) => endSession(memberOf(1).endpoint, session.id),
    close: async () => {
      await Promise.all(handles.map((handle) => handle.stop()));
    },
  };
}
