import type { Hex } from '../../codec/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { BlockId, Head } from '../head/head.ts';

/** Who posted a message-queue message, as the chain proves it: `MessageOrigin` of the runtime. */
export type MessageSender =
  | { readonly kind: 'worker' | 'account'; readonly id: Hex }
  | { readonly kind: 'other'; readonly name: string; readonly id?: Hex };

/** An entry of `PhalaMq.OutboundMessages`, bytes undecoded. */
export interface OutboundMessage {
  readonly sender: MessageSender;
  readonly destination: Uint8Array;
  readonly payload: Uint8Array;
}

/** A message with where it was posted. */
export interface PostedMessage extends OutboundMessage {
  readonly block: BlockId;
  /**
   * Whether no node's word had to be taken for it: read by a proof against the state root of its block, whose header is
   * an ancestor of the trusted finalized one.
   */
  readonly proven: boolean;
}

export interface MessagesOptions {
  /** Messages to one of these are wanted. */
  readonly topics: readonly Uint8Array[];
  /**
   * true: proven, or proofs-unavailable. false: as the node gives them. Default: proven where the node can. A node that
   * lies can say that it gives no proofs: only true leaves it no choice.
   */
  readonly verify?: boolean;
}

/** What consecutive finalized blocks hold, which of them can not be known, or which were none. */
export type MessageSpan =
  | {
      readonly type: 'blocks';
      /** The last of them. */
      readonly through: BlockId;
      readonly messages: readonly PostedMessage[];
    }
  | {
      readonly type: 'missing';
      readonly first: BlockNumber;
      /** The last one missing in a row: the next one is there, or was not known yet. */
      readonly through: BlockId;
      readonly reason: string;
      /**
       * Of a missing block, and of those after it as far as the chain was followed when this was told; undefined of another.
       * Cheapest in the order of blocks.
       */
      readonly hashAt: (number: BlockNumber) => Promise<Hex | undefined>;
    }
  | {
      /** All that was given of the blocks after `through` is void: one node made up some of them. They come again as they are. */
      readonly type: 'retracted';
      readonly through: BlockId;
    };

/** Messages of blocks; all who read over one connection share what is read. */
export interface Messages {
  /**
   * Of every finalized block after `after`, in order, for ever. A consumer that awaits between two spans holds the reading
   * back. Throws cursor-not-on-chain where the chain does not lead through `after`; proofs-unavailable, node-lies,
   * rpc-failed, bad-storage, aborted, chain-stopped.
   */
  follow(after: BlockId, options: MessagesOptions, signal?: AbortSignal): AsyncGenerator<MessageSpan, never>;
  /** Of one block, whose header is not held against a finalized one. Throws state-discarded and as above. */
  at(head: Head, options: MessagesOptions, signal?: AbortSignal): Promise<PostedMessage[]>;
}
