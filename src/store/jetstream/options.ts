import type { MailQuota } from '../mail-quota.ts';
import type { BackgroundFailure } from '../mail-store.ts';
import type { NatsOptions } from './connect.ts';

export interface JetStreamMailStoreOptions {
  readonly nats: NatsOptions;
  /** Which store: 1 to 64 of A-Z a-z 0-9 _ -. Processes that give the same one share it. */
  readonly name: string;
  /** Streams over which recipients are spread, where the store is made now. Default 8. */
  readonly shards?: number;
  /** Copies of each message. Default: 3 where NATS is a cluster, else 1; an existing store keeps what it has. */
  readonly replicas?: number;
  /**
   * `maxTotalBytes` counts what is on disk; by default it is what the servers give. `strangerPart` of all is a part of it, or of
   * what the account may store, or where that has no limit either, of 64 GiB.
   */
  readonly quota?: MailQuota;
  /** Unacknowledged messages live this long. Default 30 days, in ms. */
  readonly retentionMs?: number;
  /** Message ids are known this long after the append. Default 25 hours, in ms. */
  readonly dedupeMs?: number;
  readonly onBackgroundFailure?: BackgroundFailure;
  /** Time between sweeps. Default 10 min, in ms. */
  readonly sweepIntervalMs?: number;
  /** How long an operation waits while NATS has no leader or no connection. Default 15 s, in ms. */
  readonly timeoutMs?: number;
  /** Unix time, ms. Default Date.now. */
  readonly now?: () => number;
  /** Random bytes. Default the platform's. */
  readonly random?: (length: number) => Uint8Array;
}
