import type { BlockId, MessageSender } from '../chain/index.ts';
import type { Body, Header } from '../codec/index.ts';
import type { ErrorCode, RelayError } from '../errors/index.ts';
import type { MessageRecord, Sequence } from './stream-item.ts';

export interface OpenedMessage {
  readonly header: Header;
  readonly body: Body;
}

/** Where a message was posted, and what is known of that. */
export interface Posting {
  readonly sender: MessageSender;
  readonly block: BlockId;
  readonly isFinal: boolean;
  readonly isProven: boolean;
}

/** A message to be accepted. */
export interface Arrival {
  readonly envelope: Uint8Array;
  /** undefined for via relay. */
  readonly posting: Posting | undefined;
  /** How far the sender's clock may be from ours, ms; for via relay only. */
  readonly toleranceMs?: number;
  /** For via relay: whether it becomes a dead letter where it does not open. Its sender is told otherwise. Default false. */
  readonly isKept?: boolean;
}

/** What became of an arrival. */
export type Outcome =
  | {
      readonly type: 'message';
      readonly sequence: Sequence;
      readonly record: MessageRecord;
      readonly opened: OpenedMessage;
    }
  | { readonly type: 'reinstated'; readonly sequence: Sequence }
  | { readonly type: 'seen' }
  | { readonly type: 'dead'; readonly sequence: Sequence; readonly code: ErrorCode }
  /** For via relay: it is not kept. */
  | { readonly type: 'refused'; readonly error: RelayError };
