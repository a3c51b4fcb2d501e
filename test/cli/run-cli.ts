import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { bundledCli } from '../support/bundle.ts';

/** The built command line in few files, since tests start it by the hundred; built.test.ts and readme.test.ts start it as it is. */
const bin = await bundledCli();

export type Line = Readonly<Record<string, unknown>>;

export interface Ended {
  readonly code: number | null;
  readonly lines: readonly Line[];
  readonly stdout: string;
  readonly stderr: string;
}

type Env = Readonly<Record<string, string | undefined>>;

function environment(env: Env): NodeJS.ProcessEnv {
  return { ...process.env, KHALA_RELAY_PASSPHRASE: 'correct horse', ...env };
}

/** Runs a command to its end, or kills it at the signal. */
export function runCli(
  args: readonly string[],
  { env = {}, input = '', signal }: { env?: Env; input?: string; signal?: AbortSignal | undefined } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [bin, ...args],
      { env: environment(env), signal, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : (child.exitCode ?? null);
        resolve({ code, stdout, stderr, lines: args.includes('--json') ? jsonLines(stdout) : [] });
      },
    );
    child.stdin?.end(input);
  });
}

function jsonLines(stdout: string): Line[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** A command that goes on, its JSON lines as they come. */
export class RunningCli implements AsyncDisposable {
  readonly lines: Line[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  readonly #reader: Interface | undefined;
  #stderr = '';
  #hasEnded = false;
  #wake: () => void = () => undefined;

  constructor(args: readonly string[], env: Env = {}, hasInput = false) {
    this.#child = spawn(process.execPath, [bin, ...args, '--json'], {
      env: environment(env),
      stdio: [hasInput ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    });
    const { stdout, stderr } = this.#child;
    stderr?.on('data', (data: Buffer) => (this.#stderr += data.toString()));
    if (stdout !== null)
      this.#reader = createInterface(stdout).on('line', (line) => {
        this.lines.push(JSON.parse(line) as Line);
        this.#wake();
      });
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', (code) => {
        this.#hasEnded = true;
        resolve(code);
        this.#wake();
      });
    });
  }

  /** The first line that fits; fails when the command ends without one. */
  async line(fits: (line: Line) => boolean): Promise<Line> {
    for (;;) {
      const found = this.lines.find(fits);
      if (found !== undefined) return found;
      if (this.#hasEnded) throw new Error(`the command ended without the line: ${this.#stderr}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Its exit code, once it has ended. */
  get exit(): Promise<number | null> {
    return this.#ended;
  }

  /** Reads nothing more of what it prints, until {@link readOn}. */
  readNothing(): void {
    this.#reader?.pause();
  }

  readOn(): void {
    this.#reader?.resume();
  }

  /** Reads nothing more of what it prints, for good. */
  closeOutput(): void {
    this.#child.stdout?.destroy();
  }

  /** What it wrote to stderr. */
  get log(): string {
    return this.#stderr;
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  endInput(): void {
    this.#child.stdin?.end();
  }

  /** SIGSTOP and SIGCONT, say. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal and waits for the exit code. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal);
    return this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}
