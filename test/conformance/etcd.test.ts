// The conformance suite of the coordination seam on a real etcd.
import type { Coord } from '@holdfast/coord';
import { describeCoordConformance } from '@holdfast/coord/conformance';
import { openEtcdCoord } from '@holdfast/coord-etcd';
import { systemClock, systemRandom } from '@holdfast/core';
import { afterAll, beforeAll } from 'vitest';
import { type EtcdServer, startEtcd } from '../support/etcd-server.ts';

let server: EtcdServer;
let stores = 0;

beforeAll(async () => {
  server = await startEtcd();
});

afterAll(async () => {
  await server.stop();
});

describeCoordConformance('etcd', {
  async open() {
    stores += 1;
    const prefix = `/conformance-${stores}`;
    const handles: Coord[] = [];
    const openAnother = async (): Promise<Coord> => {
      const coord = openEtcdCoord({
        endpoints: [server.endpoint],
        prefix,
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
      expireSession: async (session) => {
        await server.call('/v3/lease/revoke', { ID: BigInt(`0x${session.id}`).toString() });
      },
      close: async () => {
        await Promise.all(handles.map((handle) => handle.stop()));
      },
    };
  },
});
