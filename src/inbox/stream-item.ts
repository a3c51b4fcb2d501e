import type { BlockId, BlockNumber } from '../chain/index.ts';
import { Reader, toBytes, toHex, Writer, type Hex } from '../codec/index.ts';

/** Position in the order of acceptance. */
export type Sequence = bigint;

/** An accepted message as the store keeps it until it is acknowledged and final: sealed, as it came. */
export interface MessageRecord {
  readonly kind: 'message';
  readonly envelope: Uint8Array;
  /** undefined for via relay. */
  readonly block: BlockId | undefined;
  readonly isFinal: boolean;
  readonly isAcknowledged: boolean;
  /** A reorg took its block away. */
  readonly isRetracted: boolean;
  /** It came back since a reorg took it: that is told behind it, of what was handed out before. */
  readonly isReinstated: boolean;
  /** Not final, and handed out to nobody yet: what becomes of it is told to nobody. */
  readonly isWaiting: boolean;
  /** No node's word was taken for it; for via relay its sender's signature was checked. */
  readonly isProven: boolean;
}

/** What is told of a message that was handed out before. */
export type MessageNotice = {
  /** Where the message is. */
  readonly of: Sequence;
  readonly messageId: Hex;
} & ({ readonly kind: 'retracted' | 'reinstated' } | { readonly kind: 'finalized'; readonly isProven: boolean });

/** Blocks that could not be read. */
export interface GapNotice {
  readonly kind: 'gap';
  readonly first: BlockNumber;
  readonly last: BlockNumber;
}

/** A message that became a dead letter. */
export interface DeadNotice {
  readonly kind: 'dead';
  readonly letter: Sequence;
}

/** What the store keeps in the order of acceptance until the consumer has had it. */
export type StreamItem = MessageRecord | MessageNotice | GapNotice | DeadNotice;

const kinds = ['message', 'retracted', 'reinstated', 'finalized', 'gap', 'dead'] as const;

const messageStart = 3;
const blockLength = 36;
const spanLength = 9;
const noticeLength = 42;

export function encodeItem(item: StreamItem): Uint8Array {
  const writer = new Writer(lengthOfItem(item));
  writeItem(writer, item);
  return writer.finish();
}

/** Bytes that {@link writeItem} writes. */
export function lengthOfItem(item: StreamItem): number {
  switch (item.kind) {
    case 'message':
      return messageStart + (item.block === undefined ? 0 : blockLength) + item.envelope.length;
    case 'gap':
    case 'dead':
      return spanLength;
    default:
      return noticeLength;
  }
}

export function writeItem(writer: Writer, item: StreamItem): void {
  writer.u8(kinds.indexOf(item.kind));
  switch (item.kind) {
    case 'message':
      writeMessage(writer, item);
      return;
    case 'gap':
      writer.u32(item.first).u32(item.last);
      return;
    case 'dead':
      writer.u64(item.letter);
      return;
    default:
      writer
        .u64(item.of)
        .raw(toBytes(item.messageId, 'id', 32))
        .u8(item.kind === 'finalized' && item.isProven ? 1 : 0);
  }
}

export function decodeItem(bytes: Uint8Array): StreamItem {
  const reader = new Reader(bytes, 'A stored delivery', true);
  const variant = reader.u8();
  const kind = kinds[variant];
  switch (kind) {
    case 'message':
      return decodeMessage(reader);
    case 'gap':
      return { kind, first: reader.u32(), last: reader.u32() };
    case 'dead':
      return { kind, letter: reader.u64() };
    case undefined:
      throw reader.unknownVariant(variant);
    case 'finalized':
      return { kind, ...readTarget(reader), isProven: reader.u8() === 1 };
    default:
      return { kind, ...readTarget(reader) };
  }
}

function readTarget(reader: Reader): { readonly of: Sequence; readonly messageId: Hex } {
  return { of: reader.u64(), messageId: toHex(reader.fixed(32)) };
}

function writeMessage(writer: Writer, record: MessageRecord): void {
  const { block, envelope, isFinal, isAcknowledged, isRetracted, isProven, isWaiting, isReinstated } = record;
  const flags = (isFinal ? 1 : 0) | (isAcknowledged ? 2 : 0) | (isRetracted ? 4 : 0) | (isProven ? 8 : 0);
  writer.u8(flags | (isWaiting ? 16 : 0) | (isReinstated ? 32 : 0));
  writer.u8(block === undefined ? 0 : 1);
  if (block !== undefined) writer.u32(block.number).raw(hashBytes(block.hash));
  writer.raw(envelope);
}

let lastHash: { readonly text: Hex; readonly bytes: Uint8Array } | undefined;

/** Messages of one block follow one another. */
function hashBytes(hash: Hex): Uint8Array {
  if (lastHash?.text !== hash) lastHash = { text: hash, bytes: toBytes(hash, 'hash', 32) };
  return lastHash.bytes;
}

function decodeMessage(reader: Reader): MessageRecord {
  const set = reader.u8();
  const block = reader.u8() === 0 ? undefined : { number: reader.u32(), hash: toHex(reader.fixed(32)) };
  return {
    kind: 'message',
    envelope: reader.rest(),
    block,
    isFinal: (set & 1) !== 0,
    isAcknowledged: (set & 2) !== 0,
    isRetracted: (set & 4) !== 0,
    isProven: (set & 8) !== 0,
    isWaiting: (set & 16) !== 0,
    isReinstated: (set & 32) !== 0,
  };
}
