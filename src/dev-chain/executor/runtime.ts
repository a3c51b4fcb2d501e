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

/** Reads each runtime once: metadata take a while to make and to decode. */
export class Runtimes {
  readonly #executor: Executor;
  readonly #known = new Map<Hex, Promise<Runtime>>();
  readonly #metadataCalls = new Map<Hex, Map<string, Promise<CallOutcome>>>();

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  of(state: StateReader): Promise<Runtime> {
    const code = codeOf(state);
    let runtime = this.#known.get(code);
    if (runtime === undefined) {
      runtime = this.#read(code, state);
      this.#known.set(code, runtime);
      runtime.catch(() => this.#known.delete(code));
    }
    return runtime;
  }

  /** Runs one call on a state. Calls for metadata depend on the code only and are answered from memory. */
  call(method: string, args: readonly Hex[], state: StateReader): Promise<CallOutcome> {
    const code = codeOf(state);
    const run = (): Promise<CallOutcome> => this.#executor.run(code, [[method, args]], state);
    if (!method.startsWith('Metadata_')) return run();
    const known = this.#metadataCalls.get(code) ?? new Map<string, Promise<CallOutcome>>();
    this.#metadataCalls.set(code, known);
    const key = [method, ...args].join();
    let outcome = known.get(key);
    if (outcome === undefined) {
      outcome = run();
      known.set(key, outcome);
      outcome.catch(() => known.delete(key));
    }
    return outcome;
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
