import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Hex } from '../../src/index.ts';
import type { EntityConfig } from './entity.ts';

/** A line that a process of the run tells its parent. */
export interface Told {
  readonly event: string;
  readonly code?: string;
  readonly reason?: string;
  /** Of a recipient: all blocks up to it are read, or told to be missing. */
  readonly block?: number;
  /** Of a recipient that has rotated: its new EcdhKey. */
  readonly key?: Hex;
}

/** How long a process may take to end in order. */
const endTimeoutMs = 60_000;

/** An entity's process: started, killed and started again on the same folder. */
export class Player {
  readonly config: EntityConfig;
  /** In the hands of an injection: another leaves it alone. */
  isBusy = false;
  /** Kept from starting, whoever else wants it to. */
  isAway = false;
  /** The last block that it is known to have read. */
  hasRead = 0;
  /** The EcdhKeys that it has rotated to, oldest first. */
  readonly rotatedTo: Hex[] = [];
  /** At it, in the process that runs now. */
  isRotating = false;
  readonly #script: string;
  readonly #onTold: (told: Told) => void;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #ready: Promise<void> = Promise.resolve();
  #isReady = false;
  /** It has told that it failed, or was told to end, or is killed: else nothing ends it. */
  #mayEnd = false;
  /** Commands to the process that runs now which it has not carried out yet. */
  #open = 0;

  constructor(script: string, config: EntityConfig, onTold: (told: Told) => void = () => undefined) {
    this.#script = script;
    this.config = config;
    this.#onTold = onTold;
  }

  /** Resolves when the process that runs now is gone, with its exit code. */
  get ended(): Promise<unknown> {
    return this.#ended;
  }

  /** Resolves when the process that runs now is ready, or has ended. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** The process that runs now has started and has nothing left to do that it was told. */
  get isDone(): boolean {
    return this.#isReady && this.#open === 0;
  }

  start(): void {
    if (this.isAway || this.#child !== undefined) return;
    this.#isReady = false;
    this.#mayEnd = false;
    this.#open = 0;
    this.isRotating = false;
    const child = spawn(process.execPath, [this.#script, JSON.stringify(this.config)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    child.stdin.on('error', () => undefined); // it was killed while it was spoken to
    this.#ready = new Promise((resolve) => {
      createInterface(child.stdout).on('line', (line) => {
        const told = JSON.parse(line) as Told;
        if (told.event === 'ready') this.#isReady = true;
        this.hasRead = told.block ?? this.hasRead;
        if (told.event === 'ready') resolve();
        if (told.event === 'rotating') this.isRotating = true;
        if (told.event === 'rotated') this.isRotating = false;
        if (told.key !== undefined) this.rotatedTo.push(told.key);
        if (told.event === 'failed') this.#mayEnd = true;
        if (told.event === 'done') this.#open--;
        this.#onTold(told);
      });
      child.once('close', () => resolve());
    });
    this.#ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#isReady = false;
        if (this.#child === child) this.#child = undefined;
        resolve(code);
        if (!this.#mayEnd) this.#onTold({ event: 'failed', code: 'died', reason: `by itself, ${signal ?? code}` });
      });
    });
  }

  /** Nothing hears it where no process runs. */
  say(command: object): void {
    this.#open++;
    this.#child?.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** kill -9; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#mayEnd = true;
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Lets it end in order: false where it did not, or not in time. */
  async end(): Promise<boolean> {
    const child = this.#child;
    if (child === undefined) return true;
    this.#mayEnd = true;
    child.stdin?.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), endTimeoutMs);
    const code = await this.#ended;
    clearTimeout(timer);
    return code === 0;
  }
}
