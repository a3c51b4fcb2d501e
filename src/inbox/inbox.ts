import type { Observable } from 'rxjs';
import type { BlockNumber } from '../chain/index.ts';
import type { Body, FromKind, Hex } from '../codec/index.ts';
import type { Retried } from './retry-letters.ts';

/**
 * A message opened for the local entity, handed to the consumer until it is acknowledged. Its properties are read one by one:
 * a copy by spread has none.
 */
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
  /** Where it was posted; undefined for via relay. */
  readonly block: BlockNumber | undefined;
  /** False: its block is not finalized yet and may be taken back (only with finality best). */
  readonly finalized: boolean;
  /**
   * Whether no node's word was taken for it. Via chain: read by a proof against the state root of its block, whose header
   * leads to a trusted finalized one. Via relay: signed by its sender.
   */
  readonly proven: boolean;
  readonly body: Body;
  /** Whether `from` is a registered worker. */
  readonly registered: boolean;
  /**
   * Done with it, as also where it was retracted since: it does not come again after a restart. Resolves when that is durable.
   * Idempotent.
   */
  ack(): Promise<void>;
  /** Not done with it, as where a handler failed: it makes room for others, and comes again after a restart. */
  leave(): void;
}

export type InboxEvent =
  | { readonly type: 'message'; readonly delivery: Delivery }
  /** A reorg took the message's block away, or brought it back in another one (only with finality best). */
  | { readonly type: 'retracted' | 'reinstated'; readonly messageId: Hex }
  /** The block of a message that was handed out early is finalized (only with finality best). */
  | { readonly type: 'finalized'; readonly messageId: Hex; readonly proven: boolean }
  /** Blocks whose messages can't be known (only with onGap skip). */
  | { readonly type: 'gap'; readonly first: BlockNumber; readonly last: BlockNumber }
  /** A message that can't be delivered, kept in the dead-letter list. */
  | { readonly type: 'dead'; readonly messageId: Hex; readonly from: Hex | undefined; readonly code: string };

export interface AcceptOptions {
  /** For what comes out of a mailbox, which is held against the retention only (protocol.md §9). Default false. */
  readonly skipClockCheck?: boolean;
  /**
   * What does not open is kept as a dead letter rather than thrown: for what its sender is not told of any more. So many
   * at most (docs/inbox.md); what there is no room for is thrown: where the vault's file can not be read, that of a
   * registered worker as the vault has it, which may be tried again, and a stranger's as open-failed. Default false.
   */
  readonly keepDead?: boolean;
}

/** duplicate: it was seen before. dead: it does not open, and is in the dead-letter list. */
export type Accepted = 'accepted' | 'duplicate' | 'dead';

export interface HandleOptions {
  /** Messages handled at the same time, at most; those of one sender one after another. Default 1. */
  readonly concurrency?: number;
  /** Everything that is not a message: what is told of one when it is handled, before the next one of its sender; all else at once. Where it throws, `handle` ends with inbox-stopped. */
  readonly onEvent?: (event: Exclude<InboxEvent, { type: 'message' }>) => void;
  readonly signal?: AbortSignal;
}

/** Where both paths end: each message reaches the consumer exactly once (protocol.md §9). */
export interface Inbox extends AsyncDisposable {
  /**
   * Deliveries in order per sender, unacknowledged ones of earlier runs first, and what is told of them and of the chain;
   * kept in the store until all that was handed out before is acknowledged, but for what is told of dead letters, which are kept
   * themselves. One subscriber at a time, here or on `messages$`.
   */
  readonly events$: Observable<InboxEvent>;
  /** The deliveries alone. */
  readonly messages$: Observable<Delivery>;
  /** Resolves when the inbox would miss nothing that is sent from now on. Rejects with what ended it before, or aborted where it was stopped. */
  readonly ready: Promise<void>;
  /**
   * Gives each delivery to `handler` and acknowledges it when that returns. Resolves when the inbox is stopped or the
   * signal fires. Where the handler throws it ends with handler-failed, and the message comes again. However it ends, handlers
   * that run are waited for, and what they are done with is acknowledged before it settles; no other begins. Throws bad-value.
   */
  handle(handler: (delivery: Delivery) => Promise<void> | void, options?: HandleOptions): Promise<void>;
  /**
   * Takes an off-chain envelope for the local entity whose sender's signature was checked, and resolves when it is
   * durable; the relay answers its sender only then. Before `start`, after `stop` and after a failure too: the next subscriber
   * has it, here or of the next inbox on the store, which is marked as this chain's. Throws what Vault.open throws, clock-skew, replay-too-old,
   * store-of-another-chain, store-of-newer-version.
   */
  accept(envelope: Uint8Array, options?: AcceptOptions): Promise<Accepted>;
  /** Tries dead letters again, by their sequences, or the oldest 256; nothing is said of those that are not there. Throws bad-value. */
  retry(letters?: readonly bigint[]): Promise<readonly Retried[]>;
  start(): Promise<void>;
  /** Idempotent. */
  stop(): Promise<void>;
}
