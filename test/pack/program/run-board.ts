// A board in memory, a worker and one job: everything below the server as a user installs it.
import { Board } from '@holdfast/board';
import { createMemoryStore, openMemoryCoord } from '@holdfast/coord';
import { decodeJson, encodeJson, silentLogger, systemClock, systemRandom } from '@holdfast/core';
import { Worker } from '@holdfast/worker';
import { greeting } from './greeting.ts';

const clock = systemClock;
const store = createMemoryStore({ clock });
const coord = openMemoryCoord(store, { clock, random: systemRandom, logger: silentLogger });
await coord.start();
const board = new Board({ coord });
const worker = new Worker({ board, coord, flows: [greeting] });
await worker.start();
const [posted] = await board.post([
  {
    flow: greeting.name,
    input: encodeJson({ name: 'Grace' }),
    queue: 'default',
    priority: 5,
    maxAttempts: 3,
    deadlines: {},
    retentionMs: 60_000,
    labels: {},
  },
]);
if (posted?.kind !== 'posted') throw new Error('the job was refused');
for await (const view of board.watchJob(posted.id, {})) {
  if (view.output) console.log(view.status.phase.kind, decodeJson(view.output));
}
await worker.stop();
await coord.stop();
