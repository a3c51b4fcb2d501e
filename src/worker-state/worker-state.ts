import type { Observable } from 'rxjs';
import type { BlockNumber, Trust } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';

/** An EcdhKey of a worker that was seen on chain. */
export interface EpochKey {
  readonly epoch: number;
  /** 32 bytes. */
  readonly ecdhKey: Uint8Array;
  /** True where an ECDH record proves it (protocol.md §7); the key of the registration alone is unproven. */
  readonly proven: boolean;
}

/** One worker of WorkerState: WorkerInfo joined with its endpoints, gatekeeper flag and keys. */
export interface WorkerEntry {
  readonly identity: Hex;
  /** The key to encrypt to: the highest valid epoch. */
  readonly current: EpochKey;
  /** All epochs seen, ascending. */
  readonly epochs: readonly EpochKey[];
  /** URLs as on chain, records left out. Chosen by the worker's owner: hostile until shown otherwise. */
  readonly endpoints: readonly string[];
  readonly gatekeeper: boolean;
  readonly runtimeVersion: number;
  readonly confidenceLevel: number;
}

export interface At {
  readonly block: BlockNumber;
  readonly hash: Hex;
}

/** What of a worker changed; `keys`: its EcdhKeys, mostly by a new epoch. */
export type WorkerAspect = 'endpoints' | 'keys' | 'runtime-version' | 'confidence-level';

/** Whoever applies them in order, starting from the snapshot, has what the view shows. */
export type WorkerChange = At &
  (
    | { readonly type: 'added'; readonly worker: WorkerEntry }
    | {
        readonly type: 'changed';
        readonly worker: WorkerEntry;
        readonly before: WorkerEntry;
        readonly what: readonly WorkerAspect[];
      }
    /** It became one or ceased to be; comes after what else changed of the worker in the same block. */
    | { readonly type: 'gatekeeper'; readonly worker: WorkerEntry; readonly before: WorkerEntry }
    | { readonly type: 'removed'; readonly worker: WorkerEntry }
    | {
        readonly type: 'invalid-record';
        readonly identity: Hex;
        /** The record as on chain (hostile, at most 2048 bytes), or a name of what is wrong with the list that it is in. */
        readonly fault: string;
        readonly reason: string;
      }
  );

/** From what a reader has seen to what a later block shows, whatever lies between. */
export interface WorkerStateStep extends At {
  /** At most one of a kind for a worker, each with the block and hash of the step. Empty with `isReset`. */
  readonly changes: readonly WorkerChange[];
  /** So much changed since the last step that it is not listed: read all of `state` again. */
  readonly isReset: boolean;
}

/** WorkerState as of one block, by identity (0x-hex, in any case), consistent while it is updated. */
export interface WorkerStateView extends ReadonlyMap<Hex, WorkerEntry> {
  /** The block that the view shows. */
  readonly at: At;
  /**
   * As a directory of keys: resolves once the watch is `ready`, and `get` tells what there is of whomever. Throws what `ready`
   * throws, aborted.
   */
  load(id: Hex, signal?: AbortSignal): Promise<void>;
  /** The worker that has or had this EcdhKey. */
  byEcdhKey(ecdhKey: Uint8Array): WorkerEntry | undefined;
  byEndpoint(url: string): WorkerEntry[];
}

/** What a watch did so far. */
export interface WatchStats {
  /** hints can miss something until the next reconcile, proofs can't. */
  readonly strategy: 'hints' | 'proofs';
  /** Whether several endpoints agreed on each finalized block that was followed; only with `verify: true`. */
  readonly trust: Trust;
  /** Blocks followed since the snapshot. */
  readonly blocks: number;
  /** Those among them whose state was gone before it could be read: what they changed was told with a later one. */
  readonly passedOver: number;
  /** Times that all of WorkerState was compared. */
  readonly reconciles: number;
  /** Workers whose changes only a reconcile found. */
  readonly missed: number;
}

/** A running pipeline: snapshot at one hash, of a finalized block or (`finality: 'best'`) a best one, then live changes. */
export interface WorkerStateWatch extends AsyncDisposable {
  readonly state: WorkerStateView;
  /** From the snapshot on; a late subscriber gets what comes after it subscribes. Errors with a RelayError when the pipeline can't go on. */
  readonly changes$: Observable<WorkerChange>;
  /**
   * Every block that `state` came to show since it was `ready`, once its changes were given out, those without a change
   * too; with `best` also the parent of a block that was taken back. A block whose state is gone is passed over. Ends as
   * `changes$`.
   */
  readonly at$: Observable<At>;
  /**
   * Changes for who reads at its own pace: what happened between two readings comes as one step, so that a slow reader
   * costs at most some 32 MB. Begins when called; ends with the watch. Throws what `changes$` ends with, and aborted.
   */
  steps(signal?: AbortSignal): AsyncIterableIterator<WorkerStateStep, undefined>;
  /** Resolves when the snapshot stands. */
  readonly ready: Promise<void>;
  /** Resolves when every ECDH record of the snapshot was verified; until then each is when its worker is looked at. */
  readonly verified: Promise<void>;
  readonly stats: WatchStats;
  /** Idempotent. */
  stop(): Promise<void>;
}
