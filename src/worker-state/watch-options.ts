import type { ChainLogger, Clock, Finality } from '../chain/index.ts';
import { checkValue } from '../errors/index.ts';
import type { TransactionalStore } from '../store/transactional-store.ts';
import type { ReconcileOptions } from './change-source.ts';
import type { VerifyRecords } from './prove-records.ts';

/** Throws bad-value. */
export function checkWatch({ saveEveryMs = 0, reconcile: { everyBlocks = 0, everyMs = 0 } = {} }: WatchOptions): void {
  for (const [what, value] of Object.entries({ saveEveryMs, everyBlocks, everyMs }))
    checkValue(what, value >= 0, '0 or more');
}

export interface WatchOptions {
  /** Default finalized. best shows changes a few blocks earlier and takes them back on a reorg. */
  readonly finality?: Finality;
  /**
   * Keeps the proven epochs over restarts (protocol.md §7), and WorkerState itself, so that the next start reads only what
   * changed. Default: in memory only.
   */
  readonly store?: TransactionalStore;
  /** Least time between two writings of WorkerState to the store, ms; it is also written on stopping. Default 10 000. */
  readonly saveEveryMs?: number;
  /** How often hints are checked against all of WorkerState. */
  readonly reconcile?: ReconcileOptions;
  /**
   * true: every value is proven against the state root of its block, or the watch fails with proofs-unavailable; and
   * finalized blocks count when `quorum` endpoints of the connection agree on them, or it fails with no-quorum. false:
   * values as the node gives them, and what to read again by hints of events and calls with a periodic reconcile.
   * Default: true where the node gives proofs, else false.
   */
  readonly verify?: boolean;
  /** Default: sr25519 of the crypto room. */
  readonly verifyRecords?: VerifyRecords;
  /** Told of what is mended without anybody's doing: blocks read again, what hints missed. Default: nobody is. */
  readonly logger?: ChainLogger;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Stops the watch. */
  readonly signal?: AbortSignal;
}
