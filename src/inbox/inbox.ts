import type { Observable } from 'rxjs';
import type { BlockNumber } from '../chain/index.ts';
import type { Body, FromKind, Hex } from '../codec/index.ts';

/** A message opened for the local entity, handed to the consumer until it is acknowledged. */
export interface Delivery {
  readonly messageId: Hex;
  /** Sender, proven by the chain or by its signature; of suite phala only claimed. */
  readonly from: Hex;
  readonly fromKind: FromKind;
  readonly to: Hex;
  readonly nonce: bigint;
  /** Unix time, ms, by the sender's clock. */
  readonly sentAt: bigint;
  /** Sender's EcdhKey: where a reply is encrypted to. 32 bytes. */
  readonly senderKey: Uint8Array;
  readonly suite: 'v1' | 'phala';
  readonly via: 'chain' | 'relay';
  /** Where it was posted, for via chain. */
  readonly block?: BlockNumber;
  readonly body: Body;
  /** Whether `from` is a registered worker. */
  readonly registered: boolean;
  /** Done with it: it does not come again after a restart. Idempotent. */
  ack(): Promise<void>;
}

export type InboxEvent =
  | { readonly type: 'message'; readonly delivery: Delivery }
  /** A reorg took the message's block away (only with finality best). */
  | { readonly type: 'retracted' | 'reinstated'; readonly messageId: Hex }
  /** A message that can't be delivered, kept in the dead-letter list. */
  | { readonly type: 'dead'; readonly messageId: Hex; readonly from: Hex | undefined; readonly code: string };

/** Where both paths end: each message reaches the consumer exactly once (protocol.md §9). */
export interface Inbox extends AsyncDisposable {
  /** Unacknowledged deliveries of earlier runs first. One subscriber at a time. */
  readonly events$: Observable<InboxEvent>;
  /** Resolves when the inbox would miss nothing that is sent from now on. */
  readonly ready: Promise<void>;
  /**
   * Takes an off-chain envelope for the local entity whose sender's signature was checked, and resolves when it is
   * durable; the relay answers its sender only then. `skipClockCheck` for what comes out of a mailbox (protocol.md §9).
   * A message seen before gives 'duplicate'. Throws what Vault.open throws,
   * clock-skew and replay-too-old.
   */
  accept(envelope: Uint8Array, options?: { readonly skipClockCheck?: boolean }): Promise<'accepted' | 'duplicate'>;
  start(): Promise<void>;
  /** Idempotent. */
  stop(): Promise<void>;
}
