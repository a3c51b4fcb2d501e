import type { Hex } from '../../src/codec/index.ts';
import type { MessageRecord } from '../../src/outbox/message-record.ts';

/** 32 bytes that are the number `n`. */
export function idOf(n: number): Hex {
  return `0x${n.toString(16).padStart(64, '0')}`;
}

/** Of a message of one byte that a worker has queued and asks nothing about, but for what is given. */
export function queuedRecord(other: Partial<MessageRecord> = {}): MessageRecord {
  return {
    ...{ suite: 'v1', to: idOf(7), as: 'worker', via: 'auto', nonce: 1n, queuedAt: 1_000_000, bodyBytes: 1 },
    ...{ maxFee: undefined, freshKey: false, readReceipt: false, deliveryReceipt: false },
    progress: { state: 'queued' },
    ...other,
  };
}
