// Sees to it that what the tests need is there: the pinned Node and the stores that npm can't bring.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, runCommand } from './command.ts';
import { sum, type Tally } from './tally.ts';

interface Tool {
  /** The commands that must be found. */
  readonly commands: readonly string[];
  /** The files that must be there too. */
  readonly files?: readonly string[];
  /** The Debian packages that bring them. */
  readonly packages: readonly string[];
}

const TOOLS: readonly Tool[] = [
  { commands: ['etcd', 'etcdctl'], packages: ['etcd-server', 'etcd-client'] },
  {
    commands: ['java'],
    files: ['/usr/share/java/zookeeper.jar'],
    packages: ['zookeeper', 'default-jre-headless'],
  },
  { commands: ['git'], packages: ['git'] },
  { commands: ['openssl'], packages: ['openssl'] },
];

/** How long apt may wait for another apt. */
const APT_LOCK_SECONDS = 120;

/** Checks Node and every tool, and installs what is missing where that is possible. */
export async function setUp(): Promise<Tally> {
  const tallies = [report(nodeProblem(), `node ${process.versions.node}`)];
  for (const tool of TOOLS) {
    tallies.push(report(await toolProblem(tool), namesOf(tool)));
  }
  return sum(tallies);
}

function report(problem: string | undefined, subject: string): Tally {
  console.log(problem === undefined ? `ok    ${subject}` : `FAIL  ${subject}\n${problem}`);
  return problem === undefined ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

function nodeProblem(): string | undefined {
  const manifest: unknown = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  // The shape of our own package.json; the tidy tests hold every version in it to be exact.
  const pinned = (manifest as { devDependencies: { node: string } }).devDependencies.node;
  if (process.versions.node === pinned) return undefined;
  return `Node ${pinned} is pinned; run \`npm ci\`, then start this through \`npm test\`.`;
}

async function toolProblem(tool: Tool): Promise<string | undefined> {
  if (isInstalled(tool)) return undefined;
  const prefix = privilege();
  if (prefix === undefined || !isOnPath('apt-get')) {
    return `Not found: ${namesOf(tool)}. ${byHand(tool)}`;
  }
  console.log(`installing ${tool.packages.join(', ')} with apt-get …`);
  const apt = ['apt-get', '-q', '-y', '-o', `DPkg::Lock::Timeout=${APT_LOCK_SECONDS}`] as const;
  const environment = ['env', 'DEBIAN_FRONTEND=noninteractive'] as const;
  const update = await runCommand(command(prefix, [...environment, ...apt, 'update']), {
    log: 'apt-update',
  });
  const install = await runCommand(
    command(prefix, [
      ...environment,
      ...apt,
      'install',
      '--no-install-recommends',
      ...tool.packages,
    ]),
    { log: 'apt-install' },
  );
  if (isInstalled(tool)) return undefined;
  return `${update.output}${install.output}apt-get did not bring ${namesOf(tool)}. ${byHand(tool)}`;
}

function namesOf({ commands, files = [] }: Tool): string {
  return [...commands, ...files].join(', ');
}

function byHand(tool: Tool): string {
  return (
    `Install the packages ${tool.packages.join(' and ')} (Debian and Ubuntu: ` +
    `\`apt-get install ${tool.packages.join(' ')}\`) and start the tests again.`
  );
}

function command(
  prefix: readonly string[],
  rest: readonly [string, ...string[]],
): readonly [string, ...string[]] {
  const [first = rest[0], ...others] = [...prefix, ...rest];
  return [first, ...others];
}

/** What to put before a command that needs root; undefined when there is no way to be root. */
function privilege(): readonly string[] | undefined {
  if (process.getuid?.() === 0) return [];
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0
    ? ['sudo', '-n']
    : undefined;
}

function isInstalled({ commands, files = [] }: Tool): boolean {
  return commands.every(isOnPath) && files.every((file) => existsSync(file));
}

function isOnPath(program: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$1"', 'sh', program], { stdio: 'ignore' });
    return true;
  } catch {
    // `command -v` ends with a failure exactly when the program isn't there.
    return false;
  }
}
