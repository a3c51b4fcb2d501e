import type { Hex } from '../../codec/index.ts';
import type { RelayError } from '../../errors/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { BlockId } from '../head/head.ts';

/** Calls that khala-relay submits. */
export type Call =
  | { readonly kind: 'push-message'; readonly destination: Uint8Array; readonly payload: Uint8Array }
  | {
      readonly kind: 'sync-offchain-message';
      readonly worker: Hex;
      readonly destination: Uint8Array;
      readonly payload: Uint8Array;
      readonly sequence: bigint;
      readonly signature: Uint8Array;
    }
  | {
      readonly kind: 'update-worker-endpoint';
      readonly identity: Hex;
      readonly endpoints: readonly string[];
      /** Unix time, ms. */
      readonly signingTime: bigint;
      readonly signature: Uint8Array;
    }
  | { readonly kind: 'register-worker'; readonly identity: Hex; readonly ecdhKey: Uint8Array; readonly operator?: Hex }
  | {
      readonly kind: 'force-register-worker';
      readonly identity: Hex;
      readonly ecdhKey: Uint8Array;
      readonly operator?: Hex;
    };

/** An account that pays; made by {@link accountFromSuri}. */
export interface Account {
  /** AccountId, 32 bytes. */
  readonly id: Hex;
  /** sr25519 signature over an extrinsic's payload. */
  sign(payload: Uint8Array): Uint8Array;
}

/** An extrinsic with its signature: whoever keeps it can find out later what became of it. */
export interface SignedExtrinsic {
  /** SCALE, as nodes take it. */
  readonly bytes: Uint8Array;
  /** blake2_256 of the bytes. */
  readonly hash: Hex;
  /** The account that signed and pays. */
  readonly account: Hex;
  /** Of the account. */
  readonly nonce: number;
  /** Blocks after this one may contain it … */
  readonly anchor: BlockNumber;
  /** … but not this one nor any later. */
  readonly death: BlockNumber;
}

/** By which an extrinsic is found in blocks, or known to be in none. */
export type ExtrinsicFacts = Omit<SignedExtrinsic, 'bytes'>;

/** What blocks tell of extrinsics that were handed to a node, whatever the node said to them. */
export interface Fates {
  /**
   * What is told holds on each chain that has this block: the finalized one, or where finality lags the one 32 below the best,
   * which a deeper reorg takes.
   */
  readonly by: BlockId;
  /** By the hash of the extrinsic. */
  readonly of: ReadonlyMap<Hex, Fate>;
}

/** `isFinal`: finalized blocks tell it. */
export type Fate =
  | { readonly kind: 'included'; readonly inclusion: Inclusion; readonly isFinal: boolean }
  /** No block has it, and none that comes will: another extrinsic used its nonce, or its era is over. */
  | { readonly kind: 'dead'; readonly isFinal: boolean }
  /** A block may take it yet. `nextNonce`: that of the account after the best block. */
  | { readonly kind: 'open'; readonly nextNonce: number }
  /** Its nonce is used, and no endpoint has all of these blocks. */
  | { readonly kind: 'unknown'; readonly first: BlockNumber; readonly last: BlockNumber };

export interface PostOptions {
  /**
   * What becomes of several calls where one fails. all (default): all or none. each: the others stand, and
   * `Inclusion.failures` lists those that failed.
   */
  readonly batch?: 'all' | 'each';
  /** Above the fee, to go first where blocks are full, in the smallest unit. Default 0. */
  readonly tip?: bigint;
  /**
   * Signs with this nonce, as where an earlier extrinsic that has it may come in yet: a chain takes one of them. Default: the
   * account's next.
   */
  readonly nonce?: number;
  /**
   * What is signed is good on no chain without this block: its era begins there or behind it. Throws chain-forked where a reorg
   * took that, node-behind where the node is not so far yet. Default: any; the era begins with the newest finalized block, or where finality lags with
   * the one 32 below the best.
   */
  readonly after?: BlockId;
  /**
   * Awaited with what was signed before any node gets it, so that it can be kept. Called again where a node refused it for
   * its age and it was signed anew with the same nonce.
   */
  readonly beforePost?: (extrinsic: SignedExtrinsic) => Promise<void>;
  readonly signal?: AbortSignal;
}

export interface FollowOptions {
  /** Resolve when the extrinsic is in a best block (default) or finalized. */
  readonly waitFor?: 'inBlock' | 'finalized';
  /** Told of each block that it is in, and of undefined where a reorg took that away. */
  readonly onInclusion?: (inclusion: Inclusion | undefined) => void;
  readonly signal?: AbortSignal;
}

/** What an extrinsic takes of the account and of a block. */
export interface ExtrinsicCost {
  /** Without tip, in the smallest unit, as of the best head. */
  readonly fee: bigint;
  /** Picoseconds. */
  readonly refTime: bigint;
  /** Bytes. */
  readonly proofSize: bigint;
}

/** Counts what goes into one extrinsic, up to what a block takes. */
export interface BatchRoom {
  /** Most bytes of a normal extrinsic, by the runtime of the best block. */
  readonly maxExtrinsicBytes: number;
  /** Whether a message with a payload of so many bytes still fits; if so it is counted. The first one always fits. */
  take(payloadBytes: number): boolean;
}

export interface SubmitOptions {
  /**
   * What becomes of several calls where one fails. all (default): all or none. each: the others stand, and
   * `Inclusion.failures` lists those that failed.
   */
  readonly batch?: 'all' | 'each';
  /** Resolve when the extrinsic is in a best block (default) or finalized. */
  readonly waitFor?: 'inBlock' | 'finalized';
  /** Above the fee, in the smallest unit. Default 0. */
  readonly tip?: bigint;
  readonly signal?: AbortSignal;
}

/** A call of a batch that the chain refused while others of it stand. */
export interface ItemFailure {
  /** Place among the calls given. */
  readonly index: number;
  readonly pallet: string;
  readonly error: string;
}

export interface Inclusion {
  /** Only with batch each: calls that failed. */
  readonly failures?: readonly ItemFailure[];
  /** dispatch-failed, where the extrinsic as a whole failed: its fee is paid, its nonce used, and nothing else done. */
  readonly failure?: RelayError;
  /** True: no node has the state of its block any more, so whether its calls failed can't be known. */
  readonly isOutcomeUnknown?: boolean;
  readonly extrinsicHash: Hex;
  readonly blockHash: Hex;
  readonly blockNumber: BlockNumber;
}
