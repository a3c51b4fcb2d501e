import type { TypeRegistry } from '@polkadot/types';
import type { expandMetadata } from '@polkadot/types/metadata';
import type { Hex } from '../../codec/hex.ts';
import { RelayError } from '../../errors/index.ts';
import { codeKey } from '../chain-spec.ts';
import { bytesToHex, hexToBytes } from '../hex.ts';
import type { StateVersion } from '../state/trie-encoding.ts';
import type { Executor } from './executor.ts';
import type { CallOutcome, RuntimeVersion, StateReader } from './protocol.ts';

export type Layout = ReturnType<typeof expandMetadata>;

/** The runtime of a state: what its code says of itself. */
export interface Runtime {
  readonly code: Hex;
  readonly version: RuntimeVersion;
  readonly stateVersion: StateVersion;
  /** SCALE, as `state_getMetadata` gives it. */
  readonly metadata: Hex;
  readonly registry: TypeRegistry;
  readonly layout: Layout;
  /** Least milliseconds from one block's timestamp to the next. */
  readonly minimumPeriodMs: number;
}

interface ReadCode {
  readonly runtime: Runtime;
  /** What `Metadata_` calls gave. */
  readonly metadata: Map<string, CallOutcome>;
}

// Chains of one process mostly run the same code, and what it says of itself depends on nothing else.
const mostCodes = 4;
const readCodes = new Map<Hex, ReadCode>();

/** Reads each runtime once in a process: metadata take a while to make and to decode. */
export class Runtimes {
  readonly #executor: Executor;
  readonly #known = new Map<Hex, Promise<Runtime>>();

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  of(state: StateReader): Promise<Runtime> {
    const code = codeOf(state);
    let runtime = this.#known.get(code);
    if (runtime === undefined) {
      runtime = this.#readOnce(code, state);
      this.#known.set(code, runtime);
      runtime.catch(() => this.#known.delete(code));
    }
    return runtime;
  }

  /** Runs one call on a state. Calls for metadata depend on the code only and are answered from memory. */
  async call(method: string, args: readonly Hex[], state: StateReader): Promise<CallOutcome> {
    const code = codeOf(state);
    const known = method.startsWith('Metadata_') ? readCodes.get(code)?.metadata : undefined;
    const key = [method, ...args].join();
    const outcome = known?.get(key) ?? (await this.#executor.run(code, [[method, args]], state));
    known?.set(key, outcome);
    return outcome;
  }

  /** Only what was read whole is kept: the chain that reads may stop meanwhile. */
  async #readOnce(code: Hex, state: StateReader): Promise<Runtime> {
    const read = readCodes.get(code);
    if (read !== undefined) return read.runtime;
    const runtime = await this.#read(code, state);
    readCodes.set(code, { runtime, metadata: new Map() });
    const [oldest] = readCodes.keys();
    if (readCodes.size > mostCodes && oldest !== undefined) readCodes.delete(oldest);
    return runtime;
  }

  async #read(code: Hex, state: StateReader): Promise<Runtime> {
    const [version, outcome, { Metadata, TypeRegistry }, { expandMetadata }] = await Promise.all([
      this.#executor.version(code),
      this.#executor.run(code, [['Metadata_metadata', []]], state),
      import('@polkadot/types'),
      import('@polkadot/types/metadata'),
    ]);
    const metadata = withoutLength(outcome.result);
    const registry = new TypeRegistry();
    const decoded = new Metadata(registry, metadata);
    // Nothing is signed with this registry: extensions unknown to it are nothing to warn about.
    registry.setMetadata(decoded, undefined, undefined, true);
    const layout = expandMetadata(registry, decoded);
    const minimumPeriodMs = Number(layout.consts['timestamp']?.['minimumPeriod']?.toString() ?? 1);
    const stateVersion = version.stateVersion === 0 ? 0 : 1;
    return { code, version, stateVersion, metadata, registry, layout, minimumPeriodMs };
  }
}

function codeOf(state: StateReader): Hex {
  const code = state.get(codeKey);
  if (code === undefined)
    throw new RelayError('dev-executor-failed', { details: { reason: 'the state has no :code' } });
  return code;
}

/** Strips the compact length off a SCALE `Bytes`. */
function withoutLength(hex: Hex): Hex {
  const bytes = hexToBytes(hex);
  const prefix = [1, 2, 4, 4][(bytes[0] ?? 0) & 3] ?? 0;
  return bytesToHex(bytes.subarray(prefix));
}
