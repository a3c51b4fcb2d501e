import type { Hex } from '../../codec/index.ts';
import type { Head } from '../head/head.ts';
import type { WorkerInfo, WorkerRow, WorkerRows } from '../storage/worker.ts';
import type { KnownMap } from './known-map.ts';
import type { Subtree } from './look-up.ts';

/** Where a reading of WorkerState by proofs stands: hashes of the maps' upper branches. */
export interface WorkersMark {
  readonly workers: KnownMap;
  readonly endpoints: KnownMap;
  /** Who has endpoints there and is not registered. */
  readonly orphans: ReadonlySet<Hex>;
  /** Where all of the pallet's storage hung: while it still does, nothing in it is different. Not stored. */
  readonly registry?: Subtree | undefined;
}

/** What a reader of differences has of WorkerState already. */
export interface KnownWorkers {
  has(id: Hex): boolean;
  /** Whether `Endpoints` has an entry of a registered worker, be it without endpoints. */
  hasEndpoints(id: Hex): boolean;
  /** All ids that it has. */
  ids(): Iterable<Hex>;
}

/** Of a WorkerInfo: what the cache keeps. */
export type WorkerEssentials = Pick<WorkerInfo, 'ecdhKey' | 'runtimeVersion' | 'confidenceLevel'>;

/** What is in WorkerState now where it may differ: neighbours of what changed are named too. */
export interface WorkersDifference {
  /** Where the next reading goes on. */
  readonly mark: WorkersMark;
  /** undefined: not registered any more. */
  readonly infos: ReadonlyMap<Hex, WorkerEssentials | undefined>;
  /** As `WorkerFields.endpoints`. Empty: no entry any more. */
  readonly endpoints: ReadonlyMap<Hex, Uint8Array>;
  /** All of them. */
  readonly gatekeepers: ReadonlySet<Hex>;
}

/** What a snapshot came to. */
export interface WorkersSnapshot {
  readonly mark: WorkersMark;
  readonly gatekeepers: ReadonlySet<Hex>;
  /** False where the nodes dropped the block's state half way: `changes` at a later block brings the rest. */
  readonly isComplete: boolean;
}

/**
 * WorkerState read by proofs against the state root: what comes out is what the chain holds, nothing left out. Throws
 * proofs-unavailable, node-lies where no endpoint is left, state-discarded, chain-unreachable, bad-storage.
 */
export interface ProvenWorkers {
  /** Hands over all of WorkerState at a block. */
  snapshot(head: Head, take: (workers: WorkerRows) => void, signal?: AbortSignal): Promise<WorkersSnapshot>;
  /** One worker; undefined where the proof shows that it is not registered. */
  worker(head: Head, id: Hex, signal?: AbortSignal): Promise<WorkerRow | undefined>;
  /** What is different at `head`, a later or an earlier block, from where `mark` stands; undefined: nothing is. */
  changes(
    mark: WorkersMark,
    head: Head,
    known: KnownWorkers,
    signal?: AbortSignal,
  ): Promise<WorkersDifference | undefined>;
}
