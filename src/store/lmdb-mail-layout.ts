import type { Hex } from '../codec/index.ts';
import type { Fill } from './mail-quota.ts';

/*
 * Layout of the environment, all integers big-endian so that keys sort as numbers:
 *   mail   recipient(32) ‖ cursor(u64)     → storedAt(u64) ‖ messageId(32) ‖ sender(32), 0: not counted ‖ bytes
 *   boxes  recipient(32)                   → last(u64) ‖ acknowledged(u64) ‖ count(u64) ‖ bytes(u64) ‖ 1(u8) of a reply box, while there is mail
 *   openers sender(32)                     → reply boxes that hold mail of it (u64), while there are any
 *   opened sender(32) ‖ openedAt(u64) ‖ recipient(32) → 1(u8), of each of these, to find the oldest
 *   shares recipient(32) ‖ sender(32)      → count(u64) ‖ bytes(u64) ‖ openedAt(u64) in a reply box, while there is mail
 *   ids    sentAt(u64) ‖ messageId(32)     → cursor(u64) ‖ recipient(4, its last; earlier versions: none); what comes at one time is side
 *                                            by side, and costs few pages
 *   byAge  storedAt(u64) ‖ messageId(32)   → the key in `ids` and those of the same transaction, 40 bytes each
 *   meta   "generation"                    → 16 bytes
 *          "totals"                        → count(u64) ‖ bytes(u64) ‖ boxes(u64) ‖ floor(u64) ‖ replyBoxes(u64)
 *          "layout" | "trial"              → version(u8) | what was last written to see whether it can be
 */

/** Of the layout above; folders of another one are refused. */
export const layoutVersion = 5;

/** One mailbox: its counters. */
export interface Box extends Fill {
  last: bigint;
  acknowledged: bigint;
  /** Of its senders it is counted in how many such mailboxes they have mail. */
  isReplyBox: boolean;
}

export interface Totals extends Fill {
  /** Mailboxes that are not empty. */
  boxes: number;
  /** Reply boxes, counted for each sender that has mail there. */
  replyBoxes: number;
  /** The last cursor of any mailbox that was forgotten when it was empty: where a new one begins. */
  floor: bigint;
}

export const mailOverhead = 8 + 32 + 32;
/** Of a message that counts for nobody. */
export const noSender = Buffer.alloc(32);
export const noSenderName = noSender.toString('latin1');

export function idKey(id: Hex): Buffer {
  return Buffer.from(id.slice(2), 'hex');
}

export function mailKey(recipient: Hex, cursor: bigint): Buffer {
  const key = Buffer.allocUnsafe(40);
  key.write(recipient.slice(2), 'hex');
  key.writeBigUInt64BE(cursor, 32);
  return key;
}

/** Of `ids` and `byAge`. */
export function timeKey(time: number, id: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(8 + id.length);
  key.writeBigUInt64BE(BigInt(Math.trunc(time)));
  key.set(id, 8);
  return key;
}

/** Of `ids`: where a message is, or was. */
export function encodePlace(cursor: bigint, recipient: Hex): Buffer {
  const value = Buffer.allocUnsafe(12);
  value.writeBigUInt64BE(cursor);
  value.write(recipient.slice(-8), 8, 'hex');
  return value;
}

/** The cursor of a message, unless it was appended to another's mailbox. */
export function cursorOf(place: Buffer, recipient: Hex): bigint | undefined {
  const isOthers = place.length > 8 && place.toString('hex', 8) !== recipient.slice(-8);
  return isOthers ? undefined : place.readBigUInt64BE();
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

export function encodeMail(storedAt: number, id: Uint8Array, sender: Uint8Array, bytes: Uint8Array): Buffer {
  const value = Buffer.allocUnsafe(mailOverhead + bytes.length);
  value.writeBigUInt64BE(BigInt(Math.trunc(storedAt)));
  value.set(id, 8);
  value.set(sender, 40);
  value.set(bytes, mailOverhead);
  return value;
}

export function mailStoredAt(value: Buffer): number {
  return Number(value.readBigUInt64BE());
}

export function mailId(value: Buffer): Buffer {
  return value.subarray(8, 40);
}

/** From the pool of small buffers, as there are many of them, for a moment. */
export function copyOf(value: Buffer): Buffer {
  const copy = Buffer.allocUnsafe(value.length);
  copy.set(value.subarray(0, value.length));
  return copy;
}

/** What a message counts for. */
export interface MailHead {
  readonly storedAt: number;
  /** latin1: of many messages it is looked up. */
  readonly sender: string;
  /** Of the message alone. */
  readonly bytes: number;
}

/** `value` may be memory that is used again: no part of it is kept. */
export function decodeMailHead(value: Buffer): MailHead {
  return {
    storedAt: mailStoredAt(value),
    sender: value.toString('latin1', 40, mailOverhead),
    bytes: value.length - mailOverhead,
  };
}

const boxLength = 32;

export function encodeBox({ last, acknowledged, count, bytes, isReplyBox }: Box): Buffer {
  const value = Buffer.allocUnsafe(isReplyBox ? boxLength + 1 : boxLength);
  if (isReplyBox) value[boxLength] = 1;
  value.writeBigUInt64BE(last);
  value.writeBigUInt64BE(acknowledged, 8);
  value.writeBigUInt64BE(BigInt(count), 16);
  value.writeBigUInt64BE(BigInt(bytes), 24);
  return value;
}

export function decodeBox(value: Buffer): Box {
  return {
    last: value.readBigUInt64BE(),
    acknowledged: value.readBigUInt64BE(8),
    count: Number(value.readBigUInt64BE(16)),
    bytes: Number(value.readBigUInt64BE(24)),
    isReplyBox: value.length > boxLength,
  };
}

/** One that is empty. */
export function newBox({ floor }: Totals): Box {
  return { last: floor, acknowledged: floor, count: 0, bytes: 0, isReplyBox: false };
}

function encodeFill({ count, bytes }: Fill): Buffer {
  const value = Buffer.allocUnsafe(16);
  value.writeBigUInt64BE(BigInt(count));
  value.writeBigUInt64BE(BigInt(bytes), 8);
  return value;
}

function decodeFill(value: Buffer | undefined): Fill {
  if (value === undefined) return { count: 0, bytes: 0 };
  return { count: Number(value.readBigUInt64BE()), bytes: Number(value.readBigUInt64BE(8)) };
}

/** What a mailbox holds of a sender. */
export interface Share extends Fill {
  /** When it became a reply box of the sender: Unix time, ms. */
  openedAt: number | undefined;
}

export function encodeShare({ openedAt, ...fill }: Share): Buffer {
  return openedAt === undefined ? encodeFill(fill) : Buffer.concat([encodeFill(fill), u64(BigInt(openedAt))]);
}

export function decodeShare(value: Buffer | undefined): Share {
  // Earlier versions did not say when.
  const openedAt = value !== undefined && value.length > 16 ? Number(value.readBigUInt64BE(16)) : undefined;
  return { ...decodeFill(value), openedAt };
}

/** Of `opened`. */
export function openedKey(sender: Uint8Array, openedAt: number, recipient: Uint8Array): Buffer {
  return Buffer.concat([sender, u64(BigInt(openedAt)), recipient]);
}

/** The mailbox that a key of `opened` names. */
export function recipientOpened(key: Buffer): Hex {
  return `0x${key.subarray(40).toString('hex')}`;
}

export function encodeTotals({ boxes, floor, replyBoxes, ...fill }: Totals): Buffer {
  return Buffer.concat([encodeFill(fill), u64(BigInt(boxes)), u64(floor), u64(BigInt(replyBoxes))]);
}

export function decodeTotals(value: Buffer | undefined): Totals {
  if (value === undefined) return { count: 0, bytes: 0, boxes: 0, floor: 0n, replyBoxes: 0 };
  // Earlier versions counted no reply boxes.
  const replyBoxes = value.length > 32 ? Number(value.readBigUInt64BE(32)) : 0;
  const [boxes, floor] = [Number(value.readBigUInt64BE(16)), value.readBigUInt64BE(24)];
  return { ...decodeFill(value), boxes, floor, replyBoxes };
}
