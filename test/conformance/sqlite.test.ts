import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Coord, Session } from '@holdfast/coord';
import { describeCoordConformance } from '@holdfast/coord/conformance';
import { openSqliteCoord } from '@holdfast/coord-sqlite';

describeCoordConformance('sqlite', {
  async open() {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-conformance-'));
    const path = join(directory, 'store.db');
    const handles: Coord[] = [];
    const openAnother = async (): Promise<Coord> => {
      const coord = openSqliteCoord({ path });
      handles.push(coord);
      await coord.start();
      return coord;
    };
    return {
      coord: await openAnother(),
      openAnother,
      expireSession: async (session) => endBehindItsBack(path, session),
      close: async () => {
        await Promise.all(handles.map((handle) => handle.stop()));
        await rm(directory, { recursive: true });
      },
    };
  },
});

/** Lets the time of a session be over, as another process finds it that sweeps. */
function endBehindItsBack(path: string, session: Session): void {
  const db = new DatabaseSync(path, { timeout: 1000 });
  db.prepare('UPDATE session SET expires_at_ms = 0 WHERE id = ?').run(session.id);
  db.close();
}
