// The code that a pool's threads run: it calls the user's function and tells the pool how that went.
// It never throws; whatever does throw out of a thread is the thread's death.
import { type MessagePort, threadId } from 'node:worker_threads';
import { systemClock, TerminalError } from '@holdfast/core';
import { packError, unpackError } from './carried-error.ts';
import type { ThreadContext } from './thread-context.ts';
import type {
  AbortMessage,
  CallFacts,
  ThreadMessage,
  ThreadOutcome,
  ThreadRequest,
  ThreadTarget,
} from './thread-messages.ts';
import { ThreadReports } from './thread-reports.ts';

/** Runs one function of the user's. The pool calls it by its name. */
export async function runInThread(request: ThreadRequest): Promise<void> {
  const { port, facts } = request;
  const reports = new ThreadReports(port, systemClock);
  const abort = new AbortController();
  port.on('message', ({ reason }: AbortMessage) => abort.abort(unpackError(reason)));
  port.postMessage({ kind: 'started', threadId } satisfies ThreadMessage); // M1
  const outcome = await perform(request, createContext(facts, { signal: abort.signal, reports }));
  reports.end();
  tellOutcome(port, outcome);
  port.close();
}

async function perform(target: ThreadTarget, ctx: ThreadContext): Promise<ThreadOutcome> {
  try {
    const call = await loadFunction(target);
    return { kind: 'success', value: await call(target.args, ctx) };
  } catch (error) {
    return { kind: 'failure', thrown: packError(error) };
  }
}

/** Its type is the word of whoever named the module: the pool's user. */
type Loaded = (args: unknown, ctx: ThreadContext) => unknown;

async function loadFunction({ moduleUrl, exportName }: ThreadTarget): Promise<Loaded> {
  const loaded: unknown = await import(moduleUrl);
  const found: unknown = Reflect.get(Object(loaded), exportName);
  if (typeof found === 'function') return found as Loaded; // As `Loaded` says.
  throw new TerminalError(
    `${moduleUrl} exports no function ${exportName}; name the export in the options of run()`,
  );
}

function createContext(
  facts: CallFacts,
  ends: { readonly signal: AbortSignal; readonly reports: ThreadReports },
): ThreadContext {
  const { signal, reports } = ends;
  return {
    ...facts,
    signal,
    progress: (fraction, message) => reports.report({ kind: 'progress', fraction, message }),
    heartbeat: () => reports.report({ kind: 'heartbeat' }),
    recordError: (error) => reports.recordError(error),
  };
}

function tellOutcome(port: MessagePort, outcome: ThreadOutcome): void {
  try {
    port.postMessage(outcome); // M2
  } catch (error) {
    // Only a result can be impossible to send: what was thrown is packed.
    const thrown = new TerminalError('the result of a thread has to be data that can be copied', {
      cause: error,
    });
    port.postMessage({ kind: 'failure', thrown: packError(thrown) } satisfies ThreadMessage);
  }
}
