// Runs the `holdfast` command as a shell does: its output is a pipe of 80 columns, its exit status counts.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const COMMAND: string = fileURLToPath(
  new URL('../../packages/cli/bin/holdfast.js', import.meta.url),
);
export const SAMPLE_FLOWS: string = fileURLToPath(new URL('./sample-flows.ts', import.meta.url));

export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunSettings {
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly cwd?: string | undefined;
  readonly stdin?: string | undefined;
  /** The node to run it with; default: this one. */
  readonly node?: string | undefined;
  /** The file to run; default: the command's own. */
  readonly file?: string | undefined;
}

/** A command that runs, and what it has printed so far. */
export class RunningCommand {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #ended: Promise<unknown>;

  constructor(args: readonly string[], settings: RunSettings = {}) {
    const { env, cwd, stdin, node = process.execPath, file = COMMAND } = settings;
    const child = spawn(node, [file, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, HOLDFAST_ADDRESS: undefined, COLUMNS: '80', ...env },
      cwd,
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    child.stdin.on('error', () => undefined); // It may end without having read its input.
    child.stdin.end(stdin ?? '');
    this.child = child;
    this.#ended = once(child, 'close');
  }

  /** Resolves when it has ended and all it printed was read. */
  async end(): Promise<CommandResult> {
    await this.#ended;
    const { stdout, stderr } = this;
    return { status: this.child.exitCode, stdout, stderr };
  }

  /** Sends a signal to the command's own process. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** SIGTERM, and SIGKILL where that is not enough; resolves when it has ended. */
  async stop(): Promise<CommandResult> {
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 15_000);
    const result = await this.end();
    clearTimeout(timer);
    return result;
  }
}

/** Runs a command to its end. */
export async function runCommand(
  args: readonly string[],
  settings: RunSettings = {},
): Promise<CommandResult> {
  return await new RunningCommand(args, settings).end();
}
