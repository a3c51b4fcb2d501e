import type { BlockNumber, Chain, Head } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';

/** What a block changed, or may have changed, in WorkerState. */
export interface BlockChanges {
  /** Workers to read again. */
  readonly ids: readonly Hex[];
  /** Whether the list of gatekeepers is to be read again. */
  readonly gatekeepers: boolean;
  /** True: read all of WorkerState and compare, for there may be more than what is named. */
  readonly reconcile: boolean;
}

/**
 * How the cache learns what to read again. hints: from events and calls, which can miss something, plus a periodic
 * reconcile. proofs: from the state trie, which can't.
 */
export interface ChangeSource {
  readonly strategy: 'hints' | 'proofs';
  changesIn(head: Head, signal: AbortSignal): Promise<BlockChanges>;
  /** All of WorkerState was read at this block. */
  reconciled(head: Head): void;
}

export interface ReconcileOptions {
  /** Default 100. */
  readonly everyBlocks?: BlockNumber;
  /** ms. Default 600 000 (10 min). */
  readonly everyMs?: number;
}

export type MakeChangeSource = (chain: Chain, now: () => number) => ChangeSource;
