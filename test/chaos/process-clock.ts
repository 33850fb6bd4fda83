// A wall clock that jumps, for processes that are started with it: libfaketime, preloaded, reads how
// far off the clock is from a file about once a second. Only the wall clock is changed; the monotonic
// clock, like that of a real machine, goes on evenly.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';

const LIBRARIES = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
];

/** See the head of this file. */
export class ProcessClock {
  readonly env: Readonly<Record<string, string>>;
  readonly #path: string;

  private constructor(path: string, library: string) {
    this.#path = path;
    this.env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: path,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** Undefined when libfaketime isn't installed. `path`: where the file is to be. */
  static async create(path: string): Promise<ProcessClock | undefined> {
    const library = LIBRARIES.find((one) => existsSync(one));
    if (library === undefined) return undefined;
    const clock = new ProcessClock(path, library);
    await clock.jumpTo(0);
    return clock;
  }

  /** Sets the clock off by so many seconds, forwards or backwards; 0 sets it right. */
  async jumpTo(seconds: number): Promise<void> {
    await writeFile(this.#path, `${seconds < 0 ? '' : '+'}${seconds}\n`);
  }
}
