import type { BlockNumber, Head } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import type { RowCollector } from './rows/row-collector.ts';
import type { WorkerRow } from '../chain/index.ts';

/** The cache as a source of changes needs to see it. */
export interface KnownRows {
  row(id: Hex): WorkerRow | undefined;
  ids(): Iterable<Hex>;
}

/** What WorkerState holds at a block where it may differ from the cache. */
export interface Differences {
  /** undefined: not registered. Workers that did not change may be among them. */
  readonly workers: readonly (readonly [id: Hex, now: WorkerRow | undefined])[];
  /** To be called when the cache shows them; without it the next reading begins where this one did. */
  readonly accept: () => void;
}

/** For a store: where a source stands, with what it needs to go on from there in another run. */
export interface SourceMemory {
  readonly strategy: 'hints' | 'proofs';
  readonly memory: Uint8Array;
}

/**
 * How the cache learns what is different. hints: from events and calls, which can miss something, plus a periodic
 * reconcile. proofs: from the state trie, which can't.
 *
 * Each throws state-discarded where the block's state is gone; what it changed is then found at a later block.
 */
export interface ChangeSource {
  readonly strategy: 'hints' | 'proofs';
  /** Times that all of WorkerState was compared, and workers whose changes only that found. */
  readonly stats: { readonly reconciles: number; readonly missed: number };
  /**
   * All of WorkerState at a block. False where the nodes dropped its state half way: the rest is then among the
   * differences at a later one.
   */
  snapshot(head: Head, rows: RowCollector, signal: AbortSignal): Promise<boolean>;
  changesAt(head: Head, known: KnownRows, signal: AbortSignal): Promise<Differences>;
  /** See {@link SourceMemory}. */
  memory(): Uint8Array;
  /** The same object as long as `memory` gives the same; undefined where that is little, and another with every block. */
  readonly remembered: object | undefined;
  /** Goes on from the memory of an earlier run; false where that read in another way. Throws truncated, trailing-bytes. */
  recall(earlier: SourceMemory): boolean;
  /** What is different at the parent of a block that was taken back. */
  changesBack(retracted: Head, known: KnownRows, signal: AbortSignal): Promise<Differences>;
}

export interface ReconcileOptions {
  /** Default 100. */
  readonly everyBlocks?: BlockNumber;
  /** ms. Default 600 000 (10 min). */
  readonly everyMs?: number;
}
