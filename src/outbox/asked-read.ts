import { fromHex, Reader, toHex, Writer, type Hex } from '../codec/index.ts';
import type { MessageRecord } from './message-record.ts';
import type { ReadReceipt } from './outbox.ts';
import type { SendId } from './send-id.ts';

/** The word that a message was read is waited for as long after it was sealed to go. */
const patienceMs = 7 * 86_400_000;

/** A message under an id by which its recipient may answer it. */
export interface AskedRead {
  readonly sendId: SendId;
  readonly messageId: Hex;
  /** Where the answer goes to, 32 bytes. */
  readonly senderKey: Uint8Array;
  /** When it was sealed to go, Unix ms. undefined where an earlier version asked. */
  readonly askedAt: number | undefined;
}

/** All but the message id. */
export function encodeAsked({ sendId, senderKey }: Pick<AskedRead, 'sendId' | 'senderKey'>, now: number): Uint8Array {
  return new Writer().u64(sendId).raw(senderKey).u64(BigInt(now)).finish();
}

export function decodeAsked(messageId: Hex, bytes: Uint8Array): AskedRead {
  const reader = new Reader(bytes, 'A message that may be answered');
  const [sendId, senderKey] = [reader.u64(), reader.fixed(32)];
  const askedAt = reader.offset < bytes.length ? Number(reader.u64()) : undefined;
  return { messageId, sendId, senderKey, askedAt };
}

/** Until when the word that a message was read is waited for, Unix ms. */
export function waitedUntil({ askedAt }: AskedRead, { queuedAt }: MessageRecord): number {
  return (askedAt ?? queuedAt) + patienceMs;
}

export function encodeReadReceipt({ messageId, readAt }: ReadReceipt): Uint8Array {
  return new Writer().raw(fromHex(messageId)).u64(readAt).finish();
}

export function decodeReadReceipt(bytes: Uint8Array): ReadReceipt {
  const reader = new Reader(bytes, 'A read receipt');
  return { messageId: toHex(reader.fixed(32)), readAt: reader.u64() };
}
