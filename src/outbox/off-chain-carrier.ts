import type { Hex } from '../codec/index.ts';
import type { ReplyNotice } from './reply-notice.ts';

/** What became of a message that a relay or the recipient itself took. */
export interface Carried {
  /** The one that took it. */
  readonly endpoint: string;
  readonly status: 'stored' | 'delivered' | 'duplicate' | 'forwarded';
}

/** Where answers to a key are left: by the endpoint that took messages sealed from it. */
export interface ReplyPlace {
  readonly endpoint: string;
  /** 32 bytes. */
  readonly senderKey: Uint8Array;
  /** The endpoint may have handed the messages on to the relays of this recipient, which keep its answers. */
  readonly handedOnTo?: Hex;
}

/** A message that an endpoint took. */
export interface CarriedMessage extends Carried {
  readonly to: Hex;
  readonly messageId: Hex;
  /** Of its header, Unix ms. */
  readonly sentAt: bigint;
}

/** The way off chain, as the outbox sees it. The relay client is one. */
export interface OffChainCarrier {
  /** Whether any endpoint of the recipient may be tried at all: cheap, from WorkerState. */
  canReach(to: Hex): boolean;
  /**
   * Takes SCALE of a SignedEnvelope (protocol.md §8). Resolves once it is durable at a relay or at the recipient. Throws a
   * RelayError otherwise, whose code tells whether another try can help; epoch-erased comes with the recipient's record.
   */
  carry(signedEnvelope: Uint8Array, to: Hex, signal?: AbortSignal): Promise<Carried>;
  /**
   * Hands over proven replies to a key, until the signal ends it. `take`: whether it was one that is waited for, and is kept
   * now. Throws where waiting is in vain. Without it, replies are seen where they come to the entity's inbox.
   */
  awaitReplies?(place: ReplyPlace, take: (reply: ReplyNotice) => Promise<boolean>, signal: AbortSignal): Promise<void>;
  /**
   * Resolves once the recipient has acknowledged a message to the relay that keeps its mail. Throws delivery-untold and
   * unknown-message where no relay can tell. Without it that is never known.
   */
  awaitDelivered?(message: CarriedMessage, signal: AbortSignal): Promise<void>;
}
