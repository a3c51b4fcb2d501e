import type { Observable } from 'rxjs';
import type { BlockNumber } from '../../chain/index.ts';
import type { Hex } from '../../codec/index.ts';

/**
 * A command payload as it stood on a topic (protocol.md §6). Who posted it is proven by the chain; that it is meant for this
 * entity, that it is new, and in which order its sender wrote it, nothing proves: whoever posts the same bytes again makes
 * another delivery, with its own name in `from`.
 */
export interface PhalaDelivery {
  readonly suite: 'phala';
  /** protocol.md §5, of the payload: the same for the same bytes. */
  readonly messageId: Hex;
  readonly topic: Uint8Array;
  /** False: it was plain, for everybody to read. */
  readonly encrypted: boolean;
  /** Decrypted, or as it stood there where it was plain. */
  readonly content: Uint8Array;
  /** EcdhKey that an encrypted one claims, 32 bytes; nothing proves whose it is. A reply goes to it. */
  readonly senderKey?: Uint8Array;
  /** Kind of the origin that posted it, as the chain names it: worker, account, contract, pallet, … */
  readonly fromKind: string;
  /** Id of the origin, where its kind has one. */
  readonly from?: Hex;
  readonly block: BlockNumber;
  /** Whether no node's word was taken for it, as of `Delivery`. */
  readonly proven: boolean;
  /** Done with it: it does not come again after a restart. Resolves when that is durable. Idempotent. */
  ack(): Promise<void>;
}

export type PhalaEvent =
  | { readonly type: 'message'; readonly delivery: PhalaDelivery }
  /** Blocks whose messages can't be known (only with onGap skip). */
  | { readonly type: 'gap'; readonly first: BlockNumber; readonly last: BlockNumber }
  /**
   * Neither plain nor sealed to a key of this entity; kept in the list of dead letters (`openPhalaFiles`). Where `code` says that
   * the vault's file can not be read its key may be there: it is no dead letter, and comes again to the next subscriber.
   */
  | { readonly type: 'dead'; readonly messageId: Hex; readonly topic: Uint8Array; readonly code: string };

/** Reads topics in the form of Phala's contracts, in finalized blocks; each posting is delivered once, in the order of the chain. */
export interface PhalaListener extends AsyncDisposable {
  /**
   * Unacknowledged deliveries of earlier runs first; a gap is kept until all that was handed out before it is acknowledged. One
   * subscriber at a time.
   */
  readonly events$: Observable<PhalaEvent>;
  /** Resolves when nothing posted from now on would be missed. Rejects with what ended it before, or aborted where it was stopped. */
  readonly ready: Promise<void>;
  /** Throws store-of-another-chain, cursor-not-on-chain, bad-value for a `from` yet to come. */
  start(): Promise<void>;
  /** Resolves when nothing of it runs any more, begun or half begun. Idempotent. */
  stop(): Promise<void>;
}
