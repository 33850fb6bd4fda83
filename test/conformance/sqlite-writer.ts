// A process of its own that writes to a SQLite store, for the tests that kill and stop such processes.
//
// Usage: node sqlite-writer.ts PATH NAME. It prints a line for each thing that happened: `session ID`,
// `ack N` for each acknowledged commit, and `woken TRUSTED` when it was continued after a stop.
import { openSqliteCoord } from '@holdfast/coord-sqlite';

const [path = '', name = ''] = process.argv.slice(2);
const encoder = new TextEncoder();
const coord = openSqliteCoord({ path });
await coord.start();
const session = await coord.openSession({ ttlMs: 1000 });
process.on('SIGCONT', () => report(`woken ${session.isTrusted()}`));
await coord.commit({
  when: [],
  write: [{ kind: 'put', key: `alive/${name}`, value: encoder.encode(name), session }],
});
report(`session ${session.id}`);

for (let n = 0; ; n += 1) {
  const value = encoder.encode(`${n}`);
  // Many keys, so that there is much of a commit to be killed in the middle of.
  const keys = Array.from({ length: 40 }, (_, part) => `part/${name}/${part}`);
  await coord.commit({
    when: [{ kind: 'absent', key: `log/${name}/${n}` }],
    write: [...keys, `log/${name}/${n}`].map((key) => ({ kind: 'put', key, value })),
  });
  report(`ack ${n}`);
}

function report(line: string): void {
  process.stdout.write(`${line}\n`);
}
