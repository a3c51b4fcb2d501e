import type { Hex } from '../codec/index.ts';

/*
 * Layout of the environment, all integers big-endian so that keys sort as numbers:
 *   mail   recipient(32) ‖ cursor(u64)     → storedAt(u64) ‖ messageId(32) ‖ bytes
 *   boxes  recipient(32)                   → last(u64) ‖ acknowledged(u64) ‖ count(u64) ‖ bytes(u64)
 *   ids    messageId(32)                   → cursor(u64)
 *   byAge  storedAt(u64) ‖ messageId(32)   → that id and those of the same transaction, 32 bytes each
 *   meta   "generation" | "totals"         → 16 bytes | count(u64) ‖ bytes(u64)
 *          "layout" | "trial"              → version(u8) | what was last written to see whether it can be
 */

/** Of the layout above; folders of another one are refused. */
export const layoutVersion = 2;

/** One mailbox: its counters. Kept when the mailbox is empty, so that cursors never start again. */
export interface Box {
  last: bigint;
  acknowledged: bigint;
  count: number;
  bytes: number;
}

export interface Totals {
  count: number;
  bytes: number;
}

export const mailOverhead = 8 + 32;

export function idKey(id: Hex): Buffer {
  return Buffer.from(id.slice(2), 'hex');
}

export function mailKey(recipient: Hex, cursor: bigint): Buffer {
  const key = Buffer.allocUnsafe(40);
  key.write(recipient.slice(2), 'hex');
  key.writeBigUInt64BE(cursor, 32);
  return key;
}

export function ageKey(storedAt: number, id: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(8 + id.length);
  key.writeBigUInt64BE(BigInt(Math.trunc(storedAt)));
  key.set(id, 8);
  return key;
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

export function encodeMail(storedAt: number, id: Uint8Array, bytes: Uint8Array): Buffer {
  const value = Buffer.allocUnsafe(mailOverhead + bytes.length);
  value.writeBigUInt64BE(BigInt(Math.trunc(storedAt)));
  value.set(id, 8);
  value.set(bytes, mailOverhead);
  return value;
}

export function mailStoredAt(value: Buffer): number {
  return Number(value.readBigUInt64BE());
}

export function encodeBox({ last, acknowledged, count, bytes }: Box): Buffer {
  const value = Buffer.allocUnsafe(32);
  value.writeBigUInt64BE(last);
  value.writeBigUInt64BE(acknowledged, 8);
  value.writeBigUInt64BE(BigInt(count), 16);
  value.writeBigUInt64BE(BigInt(bytes), 24);
  return value;
}

export function decodeBox(value: Buffer | undefined): Box {
  if (value === undefined) return { last: 0n, acknowledged: 0n, count: 0, bytes: 0 };
  return {
    last: value.readBigUInt64BE(),
    acknowledged: value.readBigUInt64BE(8),
    count: Number(value.readBigUInt64BE(16)),
    bytes: Number(value.readBigUInt64BE(24)),
  };
}

export function encodeTotals({ count, bytes }: Totals): Buffer {
  return Buffer.concat([u64(BigInt(count)), u64(BigInt(bytes))]);
}

export function decodeTotals(value: Buffer | undefined): Totals {
  if (value === undefined) return { count: 0, bytes: 0 };
  return { count: Number(value.readBigUInt64BE()), bytes: Number(value.readBigUInt64BE(8)) };
}
