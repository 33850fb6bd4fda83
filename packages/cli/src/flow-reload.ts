// Loads modules of flows again when a file of theirs changes, for `holdfast dev`.
//
//   R1. A module is only ever replaced by one that was loaded whole; a broken one changes nothing.
//   R2. Loads happen one at a time and in order; changes that come meanwhile lead to one more load.
//   R3. Only local files are loaded again: packages keep their one instance, so that a flow made after a
//       reload is a flow of the same `@holdfast/flow`.
import { type FSWatcher, watch } from 'node:fs';
import { registerHooks } from 'node:module';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock, Service, Timer } from '@holdfast/core';
import type { AnyFlow } from '@holdfast/flow';
import { loadFlows } from './flow-module.ts';

const QUERY = 'holdfast-reload';
// Editors write a file in several steps; what follows within this time is one change.
const SETTLE_MS = 100;
// A module may import a whole source tree; more folders than this are not watched.
const MAX_WATCHED_FOLDERS = 200;

export interface FlowReloaderOptions {
  readonly paths: readonly string[];
  readonly clock: Clock;
  /** Called with the flows of the first load and of every later one, one call at a time. */
  readonly onLoad: (flows: readonly AnyFlow[]) => Promise<void>;
  /** Called when a module can't be loaded, or `onLoad` failed. */
  readonly onError: (error: unknown) => void;
}

/** Watches modules of flows and everything local they import. */
export class FlowReloader implements Service {
  readonly #options: FlowReloaderOptions;
  readonly #files = new Set<string>();
  readonly #watchers = new Map<string, FSWatcher>();
  #hooks: { deregister(): void } | undefined;
  #generation = 0;
  #timer: Timer | undefined;
  #loading: Promise<void> = Promise.resolve();
  #isLoadQueued = false;
  #isStopped = false;

  constructor(options: FlowReloaderOptions) {
    this.#options = options;
  }

  /** Loads the flows for the first time; a module that can't be loaded is told to `onError` too. */
  async start(): Promise<void> {
    if (this.#hooks) return;
    this.#hooks = registerHooks({
      resolve: (specifier, context, nextResolve) => {
        const resolved = nextResolve(specifier, context);
        const url = this.#follow(specifier, resolved.url, context.parentURL);
        return url === undefined ? resolved : { ...resolved, url };
      },
    });
    for (const path of this.#options.paths) this.#files.add(resolve(path));
    this.#watchFolders();
    this.#load();
    await this.#loading;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    await this.#loading;
    this.#hooks?.deregister();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Hands the query on to what a tracked module imports by path, and notes the file. */
  #follow(specifier: string, url: string, parentUrl: string | undefined): string | undefined {
    if (!url.startsWith('file:')) return undefined;
    const own = new URL(url);
    const generation =
      own.searchParams.get(QUERY) ??
      (parentUrl !== undefined && isLocal(specifier)
        ? new URL(parentUrl).searchParams.get(QUERY)
        : null);
    if (generation === null) return undefined;
    this.#files.add(fileURLToPath(own)); // R3
    own.searchParams.set(QUERY, generation);
    return own.href;
  }

  #load(): void {
    if (this.#isLoadQueued) return; // R2
    this.#isLoadQueued = true;
    this.#loading = this.#loading.then(async () => {
      this.#isLoadQueued = false;
      if (this.#isStopped) return;
      this.#generation += 1;
      try {
        const query = `${QUERY}=${this.#generation}`;
        const flows = await loadFlows(this.#options.paths, { query });
        await this.#options.onLoad(flows); // R1
      } catch (error) {
        this.#options.onError(error);
      }
      this.#watchFolders();
    });
  }

  /** Folders, because an editor that replaces a file leaves a watch on the file behind. */
  #watchFolders(): void {
    if (this.#isStopped) return;
    for (const folder of new Set([...this.#files].map(dirname))) {
      if (this.#watchers.has(folder) || this.#watchers.size >= MAX_WATCHED_FOLDERS) continue;
      try {
        const watcher = watch(folder, (_event, name) => this.#changed(folder, name));
        watcher.on('error', this.#options.onError);
        this.#watchers.set(folder, watcher);
      } catch (error) {
        this.#options.onError(error);
      }
    }
  }

  #changed(folder: string, name: string | null): void {
    if (this.#isStopped || (name !== null && !this.#files.has(resolve(folder, name)))) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.startTimer(SETTLE_MS, () => this.#load());
  }
}

function isLocal(specifier: string): boolean {
  return /^(?:\.{1,2}\/|\/|file:)/.test(specifier);
}
