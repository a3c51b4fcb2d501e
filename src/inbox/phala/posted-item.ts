import type { BlockNumber, MessageSender } from '../../chain/index.ts';
import { Reader, toBytes, toHex, Writer } from '../../codec/index.ts';

export interface PostedCommand {
  readonly kind: 'posted';
  readonly topic: Uint8Array;
  readonly payload: Uint8Array;
  readonly sender: MessageSender;
  readonly block: BlockNumber;
  readonly isProven: boolean;
}

/** What is kept until the consumer has acknowledged it, in the order of the chain. */
export type PostedItem =
  PostedCommand | { readonly kind: 'gap'; readonly first: BlockNumber; readonly last: BlockNumber };

const senders = ['worker', 'account', 'other'] as const;
const text = new TextEncoder();

export function encodePostedItem(item: PostedItem): Uint8Array {
  if (item.kind === 'gap') return new Writer().u8(0).u32(item.first).u32(item.last).finish();
  const { sender, topic, payload, block, isProven } = item;
  const name = sender.kind === 'other' ? sender.name : '';
  return new Writer()
    .u8(1)
    .u32(block)
    .u8(isProven ? 1 : 0)
    .u8(senders.indexOf(sender.kind))
    .bytes(text.encode(name))
    .bytes(sender.id === undefined ? new Uint8Array() : toBytes(sender.id, 'id', 32))
    .bytes(topic)
    .raw(payload)
    .finish();
}

export function decodePostedItem(bytes: Uint8Array): PostedItem {
  const reader = new Reader(bytes, 'A stored posting');
  const variant = reader.u8();
  if (variant === 0) return { kind: 'gap', first: reader.u32(), last: reader.u32() };
  if (variant !== 1) throw reader.unknownVariant(variant);
  const block = reader.u32();
  const isProven = reader.u8() === 1;
  const sender = readSender(reader);
  return { kind: 'posted', block, isProven, sender, topic: reader.bytes(), payload: reader.rest() };
}

function readSender(reader: Reader): MessageSender {
  const variant = reader.u8();
  const kind = senders[variant];
  if (kind === undefined) throw reader.unknownVariant(variant);
  const name = new TextDecoder().decode(reader.bytes());
  const id = toHex(reader.bytes());
  if (kind !== 'other') return { kind, id };
  return id === '0x' ? { kind, name } : { kind, name, id };
}
