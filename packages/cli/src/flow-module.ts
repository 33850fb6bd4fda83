import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { HoldfastError, InvalidArgumentError } from '@holdfast/core';
import { type AnyFlow, isFlow } from '@holdfast/flow';

/** How modules are loaded; see `ReloadHooks`. */
export interface LoadOptions {
  /** Appended to the module's URL, so that a module that was loaded before is read again. */
  readonly query?: string | undefined;
  /** What errors call the place where the module was named. Default: `--flows`. */
  readonly field?: string | undefined;
}

/**
 * Loads modules of flows: every export that is a flow, or is a list of flows, is served.
 * Throws an InvalidArgumentError for a module that can't be loaded, for one without any flow and
 * for two flows of one name; a WiringError where a flow is wired wrongly.
 */
export async function loadFlows(
  paths: readonly string[],
  options: LoadOptions = {},
): Promise<readonly AnyFlow[]> {
  const flows = new Map<string, { readonly flow: AnyFlow; readonly path: string }>();
  for (const path of paths) {
    for (const flow of await loadModule(path, options)) {
      const other = flows.get(flow.name);
      if (other && other.flow !== flow) {
        throw refused(
          options,
          `${path} has a flow ${flow.name}, and so has ${other.path}; rename one of them`,
        );
      }
      flows.set(flow.name, { flow, path });
    }
  }
  return [...flows.values()].map((each) => each.flow);
}

async function loadModule(path: string, options: LoadOptions): Promise<readonly AnyFlow[]> {
  const url = pathToFileURL(resolve(path));
  url.search = options.query ?? '';
  let exports: Readonly<Record<string, unknown>>;
  try {
    exports = (await import(url.href)) as Readonly<Record<string, unknown>>; // a module namespace
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw refused(options, `${path} can't be loaded: ${describeLoadError(error)}`, error);
  }
  const values = Object.values(exports).flatMap((value): readonly unknown[] =>
    Array.isArray(value) ? value : [value],
  );
  const found = [...new Set(values.filter(isFlow))];
  if (found.length > 0) return found;
  const names = Object.keys(exports);
  const has = names.length === 0 ? 'has no exports' : `exports only ${names.join(', ')}`;
  throw refused(options, `${path} ${has}; export what flow({ … }) returns, by itself or in a list`);
}

/** What was wrong and, where the error tells, in which line. */
function describeLoadError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A module that can't be parsed is named only on the first line of the stack, as `file:line`.
  const place = /^(?:file:\/\/)?(\/[^\n]*:\d+)\n/.exec(error.stack ?? '')?.[1];
  // The importing module is ours and says nothing to the user.
  const message = error.message.replace(/ imported from .*$/, '').replaceAll(/\?[\w-]+=\d+/g, '');
  const text = `${error.name}: ${message}${adviceFor(message)}`;
  return place === undefined ? text : `${place.replace(/\?[\w-]+=\d+/, '')}: ${text}`;
}

/** What `npm init` writes into package.json makes Node take a module for something else. */
function adviceFor(message: string): string {
  return message.startsWith('Cannot use import statement outside a module')
    ? '; put "type": "module" into the package.json above it'
    : '';
}

function refused(
  { field = '--flows' }: LoadOptions,
  description: string,
  cause?: unknown,
): InvalidArgumentError {
  const error = new InvalidArgumentError([{ field, description }]);
  // InvalidArgumentError takes no cause; HOLDFAST_LOG_LEVEL=debug prints it.
  if (cause !== undefined) error.cause = cause;
  return error;
}
