import type { ChainLogger, Clock, Finality } from '../chain/index.ts';
import type { TransactionalStore } from '../store/transactional-store.ts';
import type { MakeChangeSource, ReconcileOptions } from './change-source.ts';
import type { VerifySignature } from './prove-records.ts';

export interface WatchOptions {
  /** Default finalized. best shows changes a few blocks earlier and takes them back on a reorg. */
  readonly finality?: Finality;
  /** Keeps the proven epochs over restarts (protocol.md §7). Default: in memory only. */
  readonly store?: TransactionalStore;
  /** How often hints are checked against all of WorkerState. */
  readonly reconcile?: ReconcileOptions;
  /** Default: hints of events and calls with a periodic reconcile. */
  readonly source?: MakeChangeSource;
  /** Default: sr25519 of the crypto room. */
  readonly verifySignature?: VerifySignature;
  readonly logger?: ChainLogger;
  readonly clock?: Clock;
  /** Stops the watch. */
  readonly signal?: AbortSignal;
}
