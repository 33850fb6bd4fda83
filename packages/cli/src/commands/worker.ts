import { InvalidArgumentError } from '@holdfast/core';
import {
  connectToSupervisor,
  runUntilStopped,
  Supervisor,
  type SupervisorLink,
  Worker,
} from '@holdfast/worker';
import type { Command } from 'commander';
import { openBoard } from '../board-host.ts';
import type { CommandContext } from '../command-context.ts';
import { loadFlows } from '../flow-module.ts';
import { addStoreOption } from '../store-options.ts';
import { parseStoreUrl } from '../store-url.ts';
import { addWorkerOptions, requireFlows, type WorkerSettings } from '../worker-options.ts';

interface Options extends WorkerSettings {
  readonly store: string;
}

const EXAMPLES = `
Examples:
  holdfast worker --flows ./my-flows.ts
  holdfast worker --flows ./a.ts --flows ./b.ts --queues slow --concurrency 16
  holdfast worker --flows ./my-flows.ts --label gpu=a100 --label zone=east
  holdfast worker --flows ./my-flows.ts --store etcd://10.0.0.1:2379/holdfast

Serves every flow that the modules export. The work runs in a child process
under a small supervisor, which hands over its jobs at once and starts a fresh
one when it crashes. SIGTERM drains: jobs finish or are handed back. A second
SIGTERM leaves at once.`;

/** `holdfast worker`: a member of the fleet. */
export function addWorkerCommand(program: Command, context: CommandContext): void {
  const command = program.command('worker').description('claim jobs and run their flows');
  addStoreOption(addWorkerOptions(command))
    .option('--name <name>', "first part of its worker ids (default: the host's name)")
    .addHelpText('after', EXAMPLES)
    .action(() => runWorker(command.opts<Options>(), context));
}

async function runWorker(options: Options, context: CommandContext): Promise<void> {
  const paths = requireFlows(options);
  if (parseStoreUrl(options.store).kind === 'memory') {
    throw new InvalidArgumentError('--store', {
      value: options.store,
      allowed:
        'a store that other processes see: sqlite:PATH or etcd://…; memory: is for holdfast dev',
    });
  }
  // The same command is the supervisor and, started by that, the worker process.
  const link = connectToSupervisor();
  if (link) await runWorkerProcess(options, { paths, link });
  else context.setExitStatus(await supervise(options));
}

async function runWorkerProcess(
  options: Options,
  { paths, link }: { readonly paths: readonly string[]; readonly link: SupervisorLink },
): Promise<void> {
  const flows = await loadFlows(paths);
  await using host = await openBoard({ store: options.store, name: 'worker' });
  const { board, coord, clock, logger } = host;
  const worker = new Worker({
    board,
    coord,
    flows,
    queues: options.queues,
    labels: options.label,
    concurrency: options.concurrency,
    name: options.name,
    leaseTtlMs: options.leaseTtl,
    drainTimeoutMs: options.drainTimeout,
    supervisor: link,
    clock,
    logger,
  });
  await runUntilStopped(worker, { logger, supervisor: link });
}

/** Resolves with the exit status once no worker process runs and none will. */
async function supervise(options: Options): Promise<number> {
  await using host = await openBoard({ store: options.store, name: 'supervisor' });
  const { board, clock, logger } = host;
  const supervisor = new Supervisor({
    board,
    command: { file: process.execPath, args: [...process.execArgv, ...process.argv.slice(1)] },
    name: options.name,
    leaseTtlMs: options.leaseTtl,
    drainTimeoutMs: options.drainTimeout,
    clock,
    logger,
  });
  await runUntilStopped(supervisor, { logger });
  return (await supervisor.finished).status;
}
