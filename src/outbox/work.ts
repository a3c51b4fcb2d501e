import type { Account, Chain } from '../chain/index.ts';
import type { KeyDirectory, RecipientKeyOptions } from '../channel/index.ts';
import type { TransactionalStore } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import type { OffChainCarrier } from './off-chain-carrier.ts';
import type { Progress } from './message-record.ts';
import type { Change, OutboxStore, Stored } from './outbox-store.ts';
import type { SendId } from './send-id.ts';

/** What the parts of a running outbox share. */
export interface Work extends RecipientKeyOptions {
  readonly chain: Chain;
  readonly vault: Vault;
  /** Everything of the entity. */
  readonly entityStore: TransactionalStore;
  readonly store: OutboxStore;
  readonly directory: KeyDirectory;
  readonly account: Account | undefined;
  readonly carrier: OffChainCarrier | undefined;
  readonly tip: bigint;
  /** Unix time, ms. */
  readonly now: () => number;
  /** Fires when the outbox stops. */
  readonly signal: AbortSignal;
  /** Something may be possible that was not. */
  readonly wake: () => void;
  /** Reports what is in the way. On chain nothing is tried for a while then. */
  readonly setback: (error: unknown) => void;
  /**
   * Commits, then tells receipts of the new statuses. False where a record was changed by another process: nothing is
   * written.
   */
  save(change: Change, from: readonly Stored[], statuses: readonly (readonly [SendId, Progress])[]): Promise<boolean>;
  /** As `save`, of messages whose end is known; bodies go, and the oldest of those that ended. */
  finish(ends: readonly (readonly [Stored, Progress])[], change?: Change): Promise<boolean>;
}
