import type { Observable } from 'rxjs';
import type { BlockNumber } from '../chain/index.ts';
import type { BodyInput, BytesLike, Hex } from '../codec/index.ts';
import type { RelayError } from '../errors/index.ts';
import type { Carried } from './off-chain-carrier.ts';
import type { ReplyNotice } from './reply-notice.ts';

/**
 * The form of a message: v1 is that of khala-relay (protocol.md §5), phala that of Phala's contracts (§6), which has no
 * nonce: whoever posts it again makes another command of it.
 */
export type Suite = 'v1' | 'phala';

/** The block that carries a message. */
export interface Posted {
  readonly blockHash: Hex;
  readonly blockNumber: BlockNumber;
  /**
   * True: the extrinsic that carries it is in this block, and no node has the state of the block any more. Whether the chain
   * did what the extrinsic says (a call filter may refuse it) can't be known then.
   */
  readonly isOutcomeUnknown?: true;
}

/** Where a message stands. It has an id once it is sealed; sealed anew (after its extrinsic died), it gets another one. */
export type SendStatus =
  | { readonly state: 'queued' }
  /** Handed to a node, or about to be. */
  | { readonly state: 'submitted'; readonly messageId: Hex }
  | (Posted & { readonly state: 'inBlock' | 'finalized'; readonly messageId: Hex })
  /** Off chain: durable at a relay or at the recipient. */
  | (Carried & { readonly state: 'relayed'; readonly messageId: Hex })
  | { readonly state: 'failed'; readonly error: RelayError };

/** The word of the relay that keeps a recipient's mail that the recipient has taken a message. */
export interface DeliveryReceipt {
  /** When the word came. Unix time, ms, by the sender's clock. */
  readonly deliveredAt: number;
}

/** The word of a recipient that it has read a message: an encrypted reply. */
export interface ReadReceipt {
  /** Of the reply. */
  readonly messageId: Hex;
  /** Unix time, ms, by the recipient's clock. */
  readonly readAt: bigint;
}

/** A status of a message that is on its way for good. */
export type Arrival = Extract<SendStatus, { readonly state: 'inBlock' | 'finalized' | 'relayed' }>;

export interface Receipt<A extends Arrival = Arrival> {
  /** Local number of the message, kept over restarts. */
  readonly sendId: bigint;
  /** Fixed when the message was queued; by it the recipient knows it, whatever way it comes and however often. 0 of suite phala. */
  readonly nonce: bigint;
  /** From the present status on; completes with relayed, finalized or failed. */
  readonly status$: Observable<SendStatus>;
  /** Resolves once the message is in a block or finalized; off chain, once relayed. Throws what the message failed with. */
  reached(state: 'inBlock' | 'finalized', signal?: AbortSignal): Promise<A>;
  /**
   * Resolves once the recipient has taken the message from the relay that keeps its mail, in this process or an earlier one;
   * `status$` ends before, with `relayed`. Throws no-delivery-receipt where that was not asked for, what the message failed
   * with, delivery-untold where it went on chain or no relay tells, delivery-timeout where none told it within 25 h,
   * no-such-message once the message is forgotten (`keepDone`), aborted.
   */
  delivered(signal?: AbortSignal): Promise<DeliveryReceipt>;
  /**
   * Resolves once the recipient says that it has read the message, in this process or an earlier one. Throws no-read-receipt
   * where that was not asked for, what the message failed with, read-timeout where it said nothing for 7 days,
   * no-such-message once the message is forgotten (`keepDone`), aborted.
   */
  read(signal?: AbortSignal): Promise<ReadReceipt>;
}

export interface SendMessage {
  readonly suite?: 'v1';
  readonly to: Hex;
  /** Copied at the call. */
  readonly body: BodyInput;
  /** worker (default): the vault's identity is the sender, an account only pays. account: the account is the sender. */
  readonly as?: 'worker' | 'account';
  /**
   * relay: off chain only. chain: on chain only. auto (default): off chain where the carrier reaches the recipient, else
   * on chain where the outbox has an account that pays, else it waits for either.
   */
  readonly via?: 'chain' | 'relay' | 'auto';
  /** Seals from a key made for this message alone, which nothing opens later (protocol.md §8). Default: from the vault's current one. */
  readonly freshKey?: true;
  /**
   * Waits for the word that the recipient has taken the message from the relay that keeps its mail (`Receipt.delivered`), for
   * 25 h after it went. Only as worker and not by `chain`: of what went on chain nobody tells.
   */
  readonly deliveryReceipt?: true;
  /**
   * Waits for the recipient's word that it has read the message (`Receipt.read`), for 7 days after it went, if the recipient gives such a
   * word. Only as worker, and not with `freshKey`: the word comes to the key that the message is sealed from.
   */
  readonly readReceipt?: true;
  /** Of a message tried on another path before. Default: the next of the channel. */
  readonly nonce?: bigint;
  /** Most that this message may cost on chain, in the smallest unit, tip left out. Default: the outbox's. */
  readonly maxFee?: bigint;
}

/** A command in the form of Phala's contracts (protocol.md §6); it goes on chain. */
export interface PhalaCommand {
  readonly suite: 'phala';
  /** As `contractTopic` makes it, or any that is not Phala's own. */
  readonly topic: Uint8Array;
  /** What the contract decodes: for ink!, SCALE of InkCommand. */
  readonly content: BytesLike;
  /** EcdhKey to seal to, 32 bytes. Default: the contract's key on chain. */
  readonly recipientKey?: Uint8Array;
  /** worker (default): the vault's identity posts, the account only pays. account: the account posts. */
  readonly as?: 'worker' | 'account';
  /** As of `SendMessage`. */
  readonly maxFee?: bigint;
}

/** What a queue holds of a message, body left out. */
export interface OutboxEntry {
  readonly sendId: bigint;
  readonly suite: Suite;
  /** The recipient; of suite phala the topic, as 0x-hex of its bytes. */
  readonly to: Hex;
  readonly as: 'worker' | 'account';
  /** Of as account: the one that sends it. It waits for an outbox with this account. */
  readonly account?: Hex;
  readonly via: 'chain' | 'relay' | 'auto';
  readonly nonce: bigint;
  /** Unix time, ms. */
  readonly queuedAt: number;
  /** Of the body, encoded; of suite phala of the sealed payload. */
  readonly bodyBytes: number;
  readonly status: SendStatus;
  /** Whether the word that it was delivered is waited for. */
  readonly deliveryReceipt?: true;
  /** It was delivered, and a relay said so. */
  readonly delivered?: DeliveryReceipt;
  /** Whether the recipient's word that it has read the message is waited for. */
  readonly readReceipt?: true;
  /** The recipient has read it, and said so. */
  readonly read?: ReadReceipt;
}

export interface RetryOptions {
  /** Instead of the message's own, as of `SendMessage`. */
  readonly maxFee?: bigint;
}

export interface CancelOptions {
  /**
   * Also a message that the worker has signed: it is not put into another extrinsic, but comes in all the same where one has it
   * already, or whoever has seen the signature posts it; then it is `finalized` after all. Default false.
   */
  readonly giveUp?: boolean;
}

/** A queue as it lies in its store, for whoever runs an outbox on it and whoever looks after it. */
export interface OutboxQueue {
  /** Ascending by sendId; finished ones too, as long as they are kept. */
  entries(): AsyncIterable<OutboxEntry>;
  /**
   * Those that wait to go off chain, or were being handed over when a process ended; and those by `auto` that wait on the
   * chain's side and are in no extrinsic under way: where the outbox has no account they go off chain.
   */
  waitingOffChain(): AsyncIterable<bigint>;
  /** Queues a failed message again, with its nonce. Throws no-such-message, not-failed, too-late-to-retry, bad-value. */
  retry(sendId: bigint, options?: RetryOptions): Promise<void>;
  /** Fails a message that is still queued with send-cancelled. Throws no-such-message, too-late-to-cancel, bad-value. */
  cancel(sendId: bigint, options?: CancelOptions): Promise<void>;
  /**
   * Takes a reply that came by the entity's inbox: where it answers a message with `readReceipt`, that message was read. False:
   * it answers none.
   */
  noteReply(reply: ReplyNotice): Promise<boolean>;
}

/** Durable queue of messages on their way off chain. */
export interface RelayOutbox extends OutboxQueue, AsyncDisposable {
  /**
   * Resolves when the message is stored, its body sealed by the vault for itself. It is sealed to the recipient's newest key
   * when it goes. Throws unknown-recipient, unproven-key, no-account where it is to go on chain, off-chain-only-v1, from-self,
   * aborted before it is stored.
   */
  send(message: SendMessage, signal?: AbortSignal): Promise<Receipt>;
  /** Of a message that was queued before, by any process. undefined: there is none, or it is finished for long. Throws bad-value. */
  receipt(sendId: bigint): Promise<Receipt | undefined>;
  /** Tries at once what waits after a failure, as when the network is back. */
  tryAgain(): void;
  /**
   * Takes over the queue: an outbox of another process that works on it ends with outbox-replaced. Throws aborted, and takes over
   * nothing, where it was stopped before.
   */
  start(): Promise<void>;
  /** What is queued stays queued. Idempotent. */
  stop(): Promise<void>;
}

/** Durable queue of messages on their way, off chain or on chain. */
export interface Outbox extends RelayOutbox {
  /**
   * As of {@link RelayOutbox}; throws too-large-for-chain too.
   *
   * A Phala command is sealed at once, and stored as it is then. Throws phala-topic, bad-topic, no-contract-key,
   * bad-public-key, too-large-for-chain, no-account, and what reading the contract's key throws.
   */
  send(
    message: (SendMessage & { readonly via: 'chain' }) | PhalaCommand,
    signal?: AbortSignal,
  ): Promise<Receipt<Arrival & Posted>>;
  send(message: SendMessage, signal?: AbortSignal): Promise<Receipt>;
  /**
   * What a message with a body of so many bytes, encoded, would cost on chain by itself, in the smallest unit; less in a batch.
   * As `maxFee` it is enough, until the chain asks for more. Throws bad-value, too-large-for-chain, no-account, aborted.
   */
  estimateFee(bodyBytes: number, as?: 'worker' | 'account', signal?: AbortSignal): Promise<bigint>;
}
