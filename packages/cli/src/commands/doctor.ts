import { existsSync } from 'node:fs';
import type { DoctorReport } from '@holdfast/board';
import { InvalidArgumentError, NotFoundError } from '@holdfast/core';
import type { Command } from 'commander';
import { openBoard } from '../board-host.ts';
import { type CommandContext, printJson, printText } from '../command-context.ts';
import { addStoreOption } from '../store-options.ts';
import { parseStoreUrl } from '../store-url.ts';
import { plainText } from '../table.ts';
import type { Colors } from '../terminal.ts';

interface Options {
  readonly store: string;
  readonly repair?: boolean | undefined;
  readonly json?: boolean | undefined;
}

const EXAMPLES = `
Examples:
  holdfast doctor                                  check the embedded store
  holdfast doctor --store etcd://10.0.0.1:2379/holdfast --repair

Works on the store itself, without a server, and beside running workers. Exit
status 1 when problems remain.`;

const PROBLEMS_REMAIN = 1;

/** `holdfast doctor`: proves that all records of a board agree, and repairs what doesn't. */
export function addDoctorCommand(program: Command, context: CommandContext): void {
  const command = program.command('doctor').description('check that all records of a board agree');
  addStoreOption(command)
    .option('--repair', 'repair what can be repaired')
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action(() => runDoctor(command.opts<Options>(), context));
}

async function runDoctor(options: Options, context: CommandContext): Promise<void> {
  const { terminal } = context;
  checkIsThere(options.store);
  await using host = await openBoard({ store: options.store, name: 'doctor' });
  const report = await host.board.doctor({ repair: options.repair === true });
  if (options.json) {
    printJson(terminal, {
      store: host.coord.description,
      jobsChecked: report.jobsChecked,
      entriesChecked: report.entriesChecked,
      problems: report.problems.map((problem) => ({ ...problem })),
    });
  } else {
    printText(terminal, formatReport(report, host.coord.description, terminal.colors));
  }
  if (report.problems.some((problem) => !problem.repaired)) context.setExitStatus(PROBLEMS_REMAIN);
}

/** A board that would only be made by looking at it is a slip of the pen. */
function checkIsThere(store: string): void {
  const location = parseStoreUrl(store);
  if (location.kind === 'memory') {
    throw new InvalidArgumentError('--store', {
      value: store,
      allowed: 'a store that outlives its process: sqlite:PATH, etcd://… or zk://…',
    });
  }
  if (location.kind === 'sqlite' && !existsSync(location.path)) {
    throw new NotFoundError(`there is no board at ${location.path}; name it with --store`);
  }
}

function formatReport(report: DoctorReport, store: string, colors: Colors): string {
  const { jobsChecked, entriesChecked, problems } = report;
  const checked = `checked ${jobsChecked} jobs and ${entriesChecked} index entries in ${store}`;
  if (problems.length === 0) return `${checked}\n${colors.green('all records agree')}`;
  const lines = problems.map((problem) => {
    const mark = problem.repaired ? colors.green('repaired') : colors.red('problem ');
    return `${mark}  ${problem.kind} at ${problem.key}\n          ${plainText(problem.description)}`;
  });
  const repaired = problems.filter((problem) => problem.repaired).length;
  const rest = problems.length - repaired;
  const advice = rest > 0 && repaired === 0 ? '; holdfast doctor --repair repairs what it can' : '';
  return [
    checked,
    ...lines,
    `${problems.length} problems, ${repaired} repaired, ${rest} left${advice}`,
  ].join('\n');
}
