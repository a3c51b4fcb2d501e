import type { Hex } from '../../codec/hex.ts';
import type { StateVersion } from '../state/trie-encoding.ts';

/** A function of the runtime and its SCALE-encoded arguments, each as hex. */
export type RuntimeCall = readonly [method: string, args: readonly Hex[]];

export type StorageDiff = readonly (readonly [key: Hex, value: Hex | null])[];

/** The result of the last of the calls and what all of them changed. */
export interface CallOutcome {
  readonly result: Hex;
  readonly storageDiff: StorageDiff;
}

/** As `state_getRuntimeVersion` tells it. */
export interface RuntimeVersion {
  readonly specName: string;
  readonly implName: string;
  readonly authoringVersion: number;
  readonly specVersion: number;
  readonly implVersion: number;
  readonly apis: readonly (readonly [Hex, number])[];
  readonly transactionVersion: number;
  readonly stateVersion: number;
}

/** What the executor asks of a state while it runs; the state does not change meanwhile. */
export interface StateReader {
  get(key: Hex): Hex | undefined;
  /** The least key that starts with `prefix` and is greater than `key`. */
  nextKey(prefix: Hex, key: Hex): Hex | undefined;
  /** The state root with these changes. */
  rootWith(diff: StorageDiff, version: StateVersion): Hex;
}

export type ToThread =
  | { readonly kind: 'code'; readonly code: number; readonly wasm: Hex }
  | { readonly kind: 'version'; readonly task: number; readonly code: number }
  | { readonly kind: 'run'; readonly task: number; readonly code: number; readonly calls: readonly RuntimeCall[] }
  | { readonly kind: 'value'; readonly request: number; readonly value: Hex | undefined };

export type FromThread =
  | { readonly kind: 'get'; readonly task: number; readonly request: number; readonly key: Hex }
  | { readonly kind: 'next'; readonly task: number; readonly request: number; readonly prefix: Hex; readonly key: Hex }
  | { readonly kind: 'done'; readonly task: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly task: number; readonly reason: string };
