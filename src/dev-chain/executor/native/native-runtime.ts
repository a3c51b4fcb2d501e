import type { Hex } from '../../../codec/hex.ts';
import { RelayError } from '../../../errors/index.ts';
import { hexToBytes } from '../../hex.ts';
import type { CallOutcome, RuntimeCall, StateReader } from '../protocol.ts';
import type { RuntimeHashes } from './hashes.ts';
import { hostFunctions, type HostFunctions } from './host.ts';
import { RuntimeMemory, type Span } from './memory.ts';
import { Overlay } from './overlay.ts';
import { NeedsInterpreter } from './trap.ts';

/** Nothing at all. */
const emptyState: StateReader = {
  get: () => undefined,
  nextKey: () => undefined,
  rootWith: () => {
    throw new NeedsInterpreter('no state');
  },
};

/** A runtime as the machine's own code: V8 compiles it, and each call has an instance of its own. */
export class NativeRuntime {
  readonly #module: WebAssembly.Module;
  readonly #memory = new RuntimeMemory();
  readonly #imports: WebAssembly.Imports;
  #storage = new Overlay(emptyState);
  #state = emptyState;
  /** What the call that runs has said last. */
  #said: string | undefined;

  /** What the host lacks fails where it is called. */
  constructor(module: WebAssembly.Module, hashes: RuntimeHashes) {
    this.#module = module;
    const functions = hostFunctions({
      memory: this.#memory,
      hashes,
      storage: () => this.#storage,
      rootOf: (storage, version) => this.#state.rootWith(storage.written(), version === 0 ? 0 : 1),
      onError: (message) => {
        this.#said = message;
      },
    });
    this.#imports = { env: { memory: this.#memory.memory, ...withMissing(module, functions) } };
  }

  /**
   * Runs the calls one after the other, each on what those before it left. Throws dev-executor-failed where a call traps, and
   * NeedsInterpreter.
   */
  run(calls: readonly RuntimeCall[], state: StateReader): CallOutcome {
    this.#state = state;
    this.#storage = new Overlay(state);
    try {
      let result: Hex = '0x';
      for (const [method, args] of calls) result = this.#call(method, args);
      return { result, storageDiff: this.#storage.written() };
    } catch (error) {
      // The interpreter has a stack of its own, and says itself what it does not take.
      if (error instanceof NeedsInterpreter || error instanceof RangeError || error instanceof WebAssembly.LinkError)
        throw new NeedsInterpreter('the interpreter may do better', { cause: error });
      const reason = this.#said ?? (error instanceof Error ? error.message : String(error));
      throw new RelayError('dev-executor-failed', { details: { reason }, cause: error });
    } finally {
      this.#state = emptyState;
      this.#storage = new Overlay(emptyState);
    }
  }

  /** `Core_version`, SCALE. */
  version(): Hex {
    return this.run([['Core_version', []]], emptyState).result;
  }

  #call(method: string, args: readonly Hex[]): Hex {
    this.#memory.clear();
    this.#said = undefined;
    const { exports } = new WebAssembly.Instance(this.#module, this.#imports);
    const heapBase = exports['__heap_base'];
    const entry = exports[method] as ((at: number, length: number) => Span) | undefined;
    if (!(heapBase instanceof WebAssembly.Global) || entry === undefined)
      throw new NeedsInterpreter(`no ${method} here`);
    this.#memory.startHeap(heapBase.value as number);
    const argument = hexToBytes(`0x${args.map((arg) => arg.slice(2)).join('')}`);
    const at = this.#memory.write(argument);
    return this.#memory.hexOf(entry(at, argument.length));
  }
}

/** The functions that the runtime imports. */
function withMissing(module: WebAssembly.Module, functions: HostFunctions): WebAssembly.ModuleImports {
  const imported = WebAssembly.Module.imports(module).filter(({ kind }) => kind === 'function');
  const missing = (name: string) => () => {
    throw new NeedsInterpreter(name);
  };
  return Object.fromEntries(imported.map(({ name }) => [name, functions[name] ?? missing(name)]));
}
