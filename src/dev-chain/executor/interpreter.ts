import type { Worker } from 'node:worker_threads';
import type { Hex } from '../../codec/hex.ts';
import { RelayError } from '../../errors/index.ts';
import { hexToBytes } from '../hex.ts';
import type { CallOutcome, FromThread, RuntimeCall, RuntimeVersion, StateReader, ToThread } from './protocol.ts';
import { spawnThread } from '../../node/index.ts';

interface Task {
  readonly state: StateReader | undefined;
  resolve(result: unknown): void;
  reject(error: RelayError): void;
}

/** Runs any runtime, slowly: chopsticks' executor (smoldot's WASM interpreter) in a thread. */
export class Interpreter {
  readonly #codes = new Map<Hex, number>();
  readonly #tasks = new Map<number, Task>();
  #thread: Worker | undefined;
  #stopped = false;
  #lastTask = 0;

  /** Throws dev-executor-failed where the code is no runtime. */
  async version(wasm: Hex): Promise<RuntimeVersion> {
    const version = (await this.#perform(wasm, undefined, (task, code) => ({ kind: 'version', task, code }))) as {
      readonly specName: string;
      readonly implName: string;
    } & RuntimeVersion;
    return { ...version, specName: text(version.specName), implName: text(version.implName) };
  }

  /**
   * Runs the calls one after the other, each on what those before it left. One task instantiates the runtime once,
   * which costs more than most calls do. Throws dev-executor-failed where a call traps.
   */
  async run(wasm: Hex, calls: readonly RuntimeCall[], state: StateReader): Promise<CallOutcome> {
    const response = (await this.#perform(wasm, state, (task, code) => ({ kind: 'run', task, code, calls }))) as
      { readonly Call: CallOutcome } | { readonly Error: string };
    if ('Call' in response) return response.Call;
    throw new RelayError('dev-executor-failed', { details: { reason: response.Error } });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#thread?.terminate();
  }

  #perform(
    wasm: Hex,
    state: StateReader | undefined,
    message: (task: number, code: number) => ToThread,
  ): Promise<unknown> {
    if (this.#stopped) return Promise.reject(new RelayError('dev-chain-stopped'));
    const thread = (this.#thread ??= this.#start());
    let code = this.#codes.get(wasm);
    if (code === undefined) {
      code = this.#codes.size;
      this.#codes.set(wasm, code);
      post(thread, { kind: 'code', code, wasm });
    }
    const task = (this.#lastTask += 1);
    const done = new Promise<unknown>((resolve, reject) => {
      this.#tasks.set(task, { state, resolve, reject });
    });
    post(thread, message(task, code));
    return done;
  }

  #start(): Worker {
    const thread = spawnThread('khala-relay-dev-executor', new URL('./thread', import.meta.url), {
      isSilent: true,
    });
    thread.on('message', (message: FromThread) => this.#receive(thread, message));
    thread.on('error', (error) => this.#fail(thread, error.message));
    thread.on('exit', () => this.#fail(thread, 'the thread ended'));
    return thread;
  }

  #receive(thread: Worker, message: FromThread): void {
    const task = this.#tasks.get(message.task);
    if (task === undefined) return;
    if (message.kind === 'get') {
      post(thread, { kind: 'value', request: message.request, value: task.state?.get(message.key) });
    } else if (message.kind === 'next') {
      const value = task.state?.nextKey(message.prefix, message.key);
      post(thread, { kind: 'value', request: message.request, value });
    } else {
      this.#tasks.delete(message.task);
      if (message.kind === 'done') task.resolve(message.result);
      else task.reject(new RelayError('dev-executor-failed', { details: { reason: message.reason } }));
    }
  }

  /** A panic inside the executor ends its thread; the next call starts another. */
  #fail(thread: Worker, reason: string): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    this.#codes.clear();
    const error = this.#stopped
      ? new RelayError('dev-chain-stopped')
      : new RelayError('dev-executor-failed', { details: { reason } });
    for (const task of this.#tasks.values()) task.reject(error);
    this.#tasks.clear();
  }
}

function post(thread: Worker, message: ToThread): void {
  thread.postMessage(message);
}

function text(hex: string): string {
  return Buffer.from(hexToBytes(hex)).toString();
}
