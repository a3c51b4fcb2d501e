import type { Account, Chain } from '../chain/index.ts';
import type { ChainStore } from './chain-store.ts';
import type { ReplyNotice } from './reply-notice.ts';
import type { RelayError } from '../errors/index.ts';
import type { KeyDirectory, RecipientKeyOptions } from '../channel/recipient-key.ts';
import type { Hex } from '../codec/index.ts';
import type { Vault } from '../vault/vault.ts';
import type { Progress } from './message-record.ts';
import type { Change, Stored } from './outbox-change.ts';
import type { OutboxStore } from './outbox-store.ts';
import type { SendId } from './send-id.ts';

/** What the parts of a running outbox share. */
export interface Work extends RecipientKeyOptions {
  readonly genesisHash: Hex;
  readonly vault: Vault;
  readonly store: OutboxStore;
  readonly directory: KeyDirectory;
  /** Who pays on chain; without it nothing goes there. */
  readonly account: Account | undefined;
  /** Unix time, ms. */
  readonly now: () => number;
  /** Fires when the outbox stops. */
  readonly signal: AbortSignal;
  /** Something may be possible that was not. */
  readonly wake: () => void;
  /** Reports what is in the way. */
  readonly setback: (error: unknown) => void;
  /**
   * Commits, then tells receipts of the new statuses. False where a record was changed by another process: nothing is
   * written.
   */
  save(change: Change, from: readonly Stored[], statuses: readonly (readonly [SendId, Progress])[]): Promise<boolean>;
  /** More is known of a message that went: tells who waits for it. */
  known(id: SendId): void;
  /** Keeps that a message was read, and tells who waits for it. False: the reply answers none of ours. */
  noteReply(reply: ReplyNotice): Promise<boolean>;
  /** As `save`, of messages whose end is known; bodies go, and the oldest of those that ended. */
  finish(ends: readonly (readonly [Stored, Progress])[], change?: Change): Promise<boolean>;
}

/** Of the transport on chain, which tries nothing for a while after a setback. */
export interface ChainWork extends Work {
  readonly chain: Chain;
  readonly chainStore: ChainStore;
  readonly tip: bigint;
  /** Tells what is worth knowing and holds nothing up. */
  readonly notice: (notice: RelayError) => void;
  /** A node took an extrinsic: what was in the way is not any more. */
  readonly unstuck: () => void;
  /** What an extrinsic carried is in none any more, and waits. */
  readonly released: () => void;
  /** What waits here does not get on: what may go another way does. `setback` says so too. */
  readonly stuck: () => void;
  /** Nothing is tried for a while, and nobody is told. */
  readonly pause: () => void;
  /** Messages wait for another account, which holds up none of the others. */
  readonly otherAccount: (queuedBy: Hex) => void;
}
