#!/usr/bin/env node
// The `holdfast` command. Plain JavaScript that any Node from 14 on can read: where the shell's node
// is older than Holdfast needs, it runs itself again with the one that is pinned as the package
// `node`, or says in one line what is missing.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NEEDED_MAJOR = 24;
// Set for the second run, so that a pinned node that is too old itself does not run for ever.
const SECOND_RUN = 'HOLDFAST_RUNS_PINNED_NODE';
const here = fileURLToPath(import.meta.url);

if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) {
  runMain();
} else {
  const pinned = process.env[SECOND_RUN] ? undefined : findPinnedNode(dirname(here));
  if (pinned) runWith(pinned);
  else {
    process.stderr.write(
      `holdfast: needs Node ${NEEDED_MAJOR} or newer, and this is ${process.version}; ` +
        `install it, or add it to your project with: npm install node@${NEEDED_MAJOR}\n`,
    );
    process.exitCode = 1;
  }
}

function runMain() {
  delete process.env[SECOND_RUN];
  // Its errors reach people as ours do; what grpc-js prints beside them is for its debugging.
  process.env.GRPC_VERBOSITY = process.env.GRPC_VERBOSITY || 'NONE';
  // In the source tree the sources themselves run; an installed package has only what was built.
  const source = join(here, '..', '..', 'src', 'main.ts');
  const isInstalled = here.split(/[\\/]/).includes('node_modules');
  const main = !isInstalled && existsSync(source) ? '../src/main.ts' : '../dist/main.js';
  process.on('SIGINT', interrupt);
  import(new URL(main, import.meta.url).href)
    .then((module) => module.main(process.argv.slice(2)))
    .then(leave, fail);
}

/** Commands end with a status whatever happens to them; this is a package that is not whole. */
function fail(error) {
  process.stderr.write(`holdfast: ${error.stack}\n`);
  leave(70);
}

/**
 * Ends a command that doesn't stop by itself when it is interrupted, or has not come to it yet. It
 * listens for as long as the process lasts: a signal that comes between two listeners would be lost.
 */
function interrupt() {
  if (process.listenerCount('SIGINT') > 1) return;
  process.stderr.write('holdfast: interrupted\n');
  leave(130);
}

/** Ends the process once its output is out: a user's flow may have left timers or sockets open. */
function leave(status) {
  process.exitCode = status;
  process.stdout.write('', () => process.stderr.write('', () => process.exit()));
}

/** The binary of the npm package `node` in the nearest node_modules that has it. */
function findPinnedNode(from) {
  const binary = process.platform === 'win32' ? 'node.exe' : 'node';
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', 'node', 'bin', binary);
    if (existsSync(candidate)) return candidate;
    if (dirname(folder) === folder) return undefined;
  }
}

function runWith(node) {
  const child = spawn(node, process.execArgv.concat(here, process.argv.slice(2)), {
    stdio: 'inherit',
    env: Object.assign({}, process.env, { [SECOND_RUN]: '1' }),
  });
  // Who signals the whole group has reached the child already; it takes the echo for what it is.
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR2', 'SIGINT', 'SIGQUIT']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', (error) => {
    process.stderr.write(`holdfast: ${node} cannot be run: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (status, signal) => {
    process.exit(status === null ? 128 + constants.signals[signal] : status);
  });
}
