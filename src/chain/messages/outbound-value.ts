import { fromHex, type Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { RawText } from '../rpc/raw-text.ts';
import { findMessages, type FoundMessage } from '../storage/outbound-messages.ts';
import type { BlockAnchor } from './block-anchor.ts';
import { mayContain } from './may-contain.ts';
import { ByteSource, HexSource } from './message-source.ts';

/** As a proof has it, or as the node sent it: hex, still in its frame. */
export type StoredMessages = Uint8Array | RawText;

/** `OutboundMessages` of one block. */
export interface OutboundValue {
  readonly block: BlockAnchor;
  /** undefined: no messages. */
  readonly value: StoredMessages | undefined;
  /** Whether a proof against the state root of the block's header shows it. */
  readonly isProven: boolean;
}

/** A block whose state no endpoint has. */
export interface DiscardedState {
  readonly block: BlockAnchor;
  /** state-discarded, naming the block. */
  readonly error: RelayError;
}

export type OutboundRead = OutboundValue | DiscardedState;

export function isDiscarded(read: OutboundRead): read is DiscardedState {
  return 'error' in read;
}

/** Bytes. */
export function lengthOf(value: StoredMessages): number {
  return value instanceof RawText ? (value.end - value.start) / 2 : value.length;
}

/** Memory that it keeps. */
export function heldBy(value: StoredMessages): number {
  return value instanceof RawText ? value.end - value.start : value.length;
}

/** The messages to one of `topics`; undefined for a value in another layout that may have some. */
export function messagesTo(topics: readonly Uint8Array[], value: StoredMessages): FoundMessage[] | undefined {
  // In bytes one look tells of most blocks that there is nothing; in hex stepping through is as fast.
  if (!(value instanceof RawText) && !mayContain(value, topics)) return [];
  try {
    return findMessages(value instanceof RawText ? new HexSource(value) : new ByteSource(value), topics);
  } catch (error) {
    if (!isRelayError(error)) throw error;
    return undefined;
  }
}

/** Throws bad-storage. */
export function bytesOf(value: StoredMessages, block: Hex): Uint8Array {
  if (!(value instanceof RawText)) return value;
  try {
    return fromHex(value.toString());
  } catch (cause) {
    const reason = 'the node sent no hex';
    throw new RelayError('bad-storage', {
      details: { what: 'PhalaMq.OutboundMessages', block, reason },
      cause,
    });
  }
}
