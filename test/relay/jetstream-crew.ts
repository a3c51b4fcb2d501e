import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundled } from '../support/bundle.ts';
import { freePort } from '../support/free-port.ts';
import type { NatsServer } from '../support/nats-server.ts';
import { followHandedOut, type HandedOut } from './handed-out.ts';
import { linesOf } from './lines-of.ts';
import type { RelayChildOptions } from './relay-child.ts';
import type { Cleanup } from './support.ts';

/** What can be killed and comes back as it was. */
export interface Victim {
  readonly name: string;
  kill(): Promise<void>;
  start(): Promise<void>;
}

export interface SenderProcess extends Victim {
  queued(): string[];
  acknowledged(): string[];
  holdBack(isHolding: boolean): void;
}

export interface RelayProcess extends Victim {
  readonly port: number;
  readonly url: string;
  /** SIGTERM; gives its exit code. */
  end(): Promise<number | null>;
}

const childOf = (name: string): Promise<string> => bundled(new URL(`${name}-child.ts`, import.meta.url));

/** A process of its own per part, as they are in production. */
class Program implements Victim {
  readonly name: string;
  readonly #script: string;
  readonly #args: () => readonly string[];
  #child: ChildProcess | undefined;

  constructor(name: string, script: string, args: () => readonly string[]) {
    this.name = name;
    this.#script = script;
    this.#args = args;
  }

  /** undefined: it ended before it said anything. */
  async firstLine(): Promise<string | undefined> {
    const child = this.#spawn();
    return Promise.race([
      once(child.stdout ?? child, 'data').then(([data]: Buffer[]) => String(data).trim()),
      once(child, 'exit').then(() => undefined),
    ]);
  }

  async start(): Promise<void> {
    this.#spawn().stdout?.resume();
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child?.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    child.kill(signal);
    await once(child, 'exit');
    return child.exitCode;
  }

  #spawn(): ChildProcess {
    const made = spawn(process.execPath, [this.#script, ...this.#args()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = made;
    return made;
  }
}

export async function startRelayProcess(
  cleanup: Cleanup,
  nats: readonly NatsServer[],
  { port: wanted, ...options }: RelayChildOptions & { readonly port?: number } = {},
): Promise<RelayProcess> {
  const port = wanted ?? (await freePort());
  const where = nats.map(({ url }) => url).join();
  const program = new Program('relay', await childOf('relay'), () => [where, String(port), JSON.stringify(options)]);
  // As a supervisor would: a relay ends where it starts before NATS does.
  const start = async (): Promise<void> => {
    let line: string | undefined;
    do line = await program.firstLine();
    while (line === undefined);
  };
  cleanup.add(program, (made) => made.kill());
  await start();
  return {
    ...{ name: `relay ${port}`, port, url: `ws://127.0.0.1:${port}`, start },
    kill: () => program.kill(),
    end: () => program.end('SIGTERM'),
  };
}

/** A recipient with what its inbox handed out. */
export async function startRecipientProcess(
  cleanup: Cleanup,
  url: string,
): Promise<Victim & { readonly handedOut: () => HandedOut }> {
  const folder = await cleanup.folder();
  const program = new Program('recipient', await childOf('recipient'), () => [url, folder]);
  cleanup.add(program, (made) => made.kill());
  await program.start();
  return Object.assign(program, { handedOut: followHandedOut(join(folder, 'received')) });
}

/** A sender with what it has queued, and what of that it was told is kept. While it holds back it makes nothing new. */
export async function startSenderProcess(cleanup: Cleanup, urls: readonly string[]): Promise<SenderProcess> {
  const folder = await cleanup.folder();
  const program = new Program('sender', await childOf('sender'), () => [folder, ...urls]);
  cleanup.add(program, (made) => made.kill());
  await program.start();
  return Object.assign(program, {
    queued: () => linesOf(join(folder, 'queued')).map((line) => line.slice(line.indexOf(' ') + 1)),
    acknowledged: () => linesOf(join(folder, 'acknowledged')),
    holdBack: (isHolding: boolean) => {
      if (isHolding) writeFileSync(join(folder, 'hold'), '');
      else rmSync(join(folder, 'hold'), { force: true });
    },
  });
}
