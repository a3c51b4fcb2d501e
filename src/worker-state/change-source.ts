import type { BlockNumber, Head } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import type { WorkerFacts } from './worker-facts.ts';

/** The cache as a source of changes needs to see it. */
export interface KnownFacts {
  facts(id: Hex): WorkerFacts | undefined;
  ids(): Iterable<Hex>;
}

/** What WorkerState holds at a block where it may differ from the cache. */
export interface Differences {
  /** undefined: not registered. Workers that did not change may be among them. */
  readonly workers: readonly (readonly [id: Hex, now: WorkerFacts | undefined])[];
  /** To be called when the cache shows them; without it the next reading begins where this one did. */
  readonly accept: () => void;
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
  /** All of WorkerState at `head`, or at a newer block where that one's state goes away; returns which. */
  snapshot(head: Head, put: (facts: WorkerFacts) => void, signal: AbortSignal): Promise<Head>;
  changesAt(head: Head, known: KnownFacts, signal: AbortSignal): Promise<Differences>;
  /** What is different at the parent of a block that was taken back. */
  changesBack(retracted: Head, known: KnownFacts, signal: AbortSignal): Promise<Differences>;
}

export interface ReconcileOptions {
  /** Default 100. */
  readonly everyBlocks?: BlockNumber;
  /** ms. Default 600 000 (10 min). */
  readonly everyMs?: number;
}
