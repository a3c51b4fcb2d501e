import type { Hex } from '../../codec/index.ts';

/** An entry of `PhalaRegistry.Workers` in any runtime's layout. */
export interface WorkerInfo {
  readonly identity: Hex;
  /** 32 bytes, epoch 0. */
  readonly ecdhKey: Uint8Array;
  readonly runtimeVersion: number;
  /** Unix time, s. */
  readonly lastUpdated: bigint;
  readonly operator: Hex | undefined;
  /** undefined where the worker has none, or the runtime's layout has no such field. */
  readonly attestationProvider: string | undefined;
  readonly confidenceLevel: number;
}

/** One worker's share of WorkerState at one block. */
export interface WorkerRecord {
  readonly info: WorkerInfo;
  /**
   * As on chain, in order, bytes that are not UTF-8 replaced: the first 64 URLs and the last 8 ECDH records, none longer
   * than 2048 bytes. Whoever owns a worker may publish millions of strings.
   */
  readonly endpoints: readonly string[];
  readonly gatekeeper: boolean;
}

/**
 * What WorkerState says of one worker, packed, since 50 000 objects would take five times the memory: `workerFields` gives
 * what is in it, `packRow` makes one.
 */
export type WorkerRow = Uint8Array;

/** Rows one behind the other, without a gap; one without bytes stands for a worker that is not registered. */
export interface WorkerRows {
  readonly bytes: Uint8Array;
  /** Where each row ends, from the first on. */
  readonly ends: Uint32Array;
}

/** A {@link WorkerRow} taken apart, endpoints undecoded: most are never looked at. */
export interface WorkerFields {
  /** 32 bytes. */
  readonly identity: Uint8Array;
  /** 32 bytes, epoch 0; maybe a view. */
  readonly ecdhKey: Uint8Array;
  readonly runtimeVersion: number;
  readonly confidenceLevel: number;
  /** `readEndpoints` gives `WorkerRecord.endpoints` of it and what is wrong with it. Empty: no entry. Maybe a view. */
  readonly endpoints: Uint8Array;
  readonly gatekeeper: boolean;
}

/** What a block may have changed in WorkerState. */
export interface TouchedWorkers {
  readonly ids: readonly Hex[];
  /** Whether the list of gatekeepers may have changed. */
  readonly gatekeepers: boolean;
  /** False where an event or a call could not be decoded: there may be more. */
  readonly complete: boolean;
}
