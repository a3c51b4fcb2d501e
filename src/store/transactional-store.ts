/** A put, or a delete where `value` is undefined. */
export interface Write {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** Holds when the stored value equals `value`; undefined: when there is none. */
export interface Expectation {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

export interface KeyRange {
  /** Inclusive. */
  readonly from: Uint8Array;
  /** Exclusive. */
  readonly to: Uint8Array;
  /** Default: all. */
  readonly limit?: number;
  /** From the greatest key down. Default false. */
  readonly reverse?: boolean;
}

export type Entry = readonly [key: Uint8Array, value: Uint8Array];

/**
 * Keys and values in bytewise order of keys (1 to 512 bytes), written together or not at all. What must be exactly
 * once (cursor, replay window, delivery) goes into one `commit`.
 *
 * Every implementation passes test/store/transactional-store.compliance.ts.
 */
export interface TransactionalStore extends AsyncDisposable {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** A snapshot of the range, read in one transaction. */
  entries(range: KeyRange): Promise<Entry[]>;
  /**
   * Applies all writes in one transaction and resolves when they are durable: with true, or with false and nothing
   * written where an expectation does not hold. Throws store-failed (disk full, closed), with nothing written.
   */
  commit(writes: readonly Write[], expected?: readonly Expectation[]): Promise<boolean>;
  /** Idempotent. */
  close(): Promise<void>;
}
