import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What a process of a bench does when it is asked, by name; arguments and results cross as JSON. */
export type Commands = Readonly<Record<string, (argument: never) => unknown>>;

interface Request {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** In the process itself: answers until its parent is gone. */
export function answer(commands: Commands): void {
  process.on('message', ({ id, name, argument }: Request) => {
    void (async () => {
      try {
        process.send?.({ id, result: await commands[name]?.(argument as never) });
      } catch (error) {
        process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      }
    })();
  });
  process.once('disconnect', () => process.exit());
}

/** A process of a bench, as its parent sees it. */
export class Child {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #requests = 0;

  /** `script`: a file of this folder. `nodeArgs`: beside those of TypeScript. */
  constructor(script: string, nodeArgs: readonly string[] = []) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    this.#process = fork(path, { execArgv: ['--import', 'tsx', ...nodeArgs], stdio: ['ignore', 2, 2, 'ipc'] });
    this.#process.on('message', (reply: Reply) => this.#waiting.get(reply.id)?.(reply));
    this.#process.once('exit', (code, signal) => {
      for (const [id, settle] of this.#waiting) settle({ id, error: `${script} ended (${code ?? signal})` });
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async ask<T>(name: string, argument?: unknown): Promise<T> {
    const id = ++this.#requests;
    const { result, error } = await new Promise<Reply>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#process.send({ id, name, argument });
    });
    this.#waiting.delete(id);
    if (error !== undefined) throw new Error(error);
    return result as T;
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.disconnect();
    await ended;
  }
}
