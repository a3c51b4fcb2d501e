import { setImmediate } from 'node:timers/promises';
import type { Hex } from '../../codec/hex.ts';
import { RelayError } from '../../errors/index.ts';
import { Interpreter } from './interpreter.ts';
import type { NativeRuntime } from './native/native-runtime.ts';
import { decodeRuntimeVersion } from './native/runtime-version.ts';
import { NeedsInterpreter } from './native/trap.ts';
import type { CallOutcome, RuntimeCall, RuntimeVersion, StateReader } from './protocol.ts';

/**
 * Runs the functions of a runtime on a state: as code of the machine where its host functions are there, which takes a millisecond or
 * two, else by the interpreter.
 */
export class Executor {
  readonly #interpreter = new Interpreter();
  #stopped = false;

  /** Throws dev-executor-failed where the code is no runtime. */
  async version(wasm: Hex): Promise<RuntimeVersion> {
    return this.#perform(
      wasm,
      (runtime) => decodeRuntimeVersion(runtime.version()),
      () => this.#interpreter.version(wasm),
    );
  }

  /** Runs the calls one after the other, each on what those before it left. Throws dev-executor-failed where a call traps. */
  async run(wasm: Hex, calls: readonly RuntimeCall[], state: StateReader): Promise<CallOutcome> {
    return this.#perform(
      wasm,
      (runtime) => runtime.run(calls, state),
      () => this.#interpreter.run(wasm, calls, state),
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#interpreter.stop();
  }

  async #perform<T>(wasm: Hex, natively: (runtime: NativeRuntime) => T, interpreted: () => Promise<T>): Promise<T> {
    const { nativeRuntime } = await import('./native/compile.ts');
    const runtime = await nativeRuntime(wasm);
    // All else is done in microtasks: tasks in a row would keep sockets, timers and signals waiting until the last is done.
    await setImmediate();
    if (this.#stopped) throw new RelayError('dev-chain-stopped');
    if (runtime !== undefined)
      try {
        return natively(runtime);
      } catch (error) {
        if (!(error instanceof NeedsInterpreter)) throw error;
      }
    return interpreted();
  }
}
