import { RelayError } from '../errors/index.ts';
import { waitedUntil } from './asked-read.ts';
import { deliveryAwaitedUntil, deliveryReceiptOf } from './delivery-state.ts';
import type { DeliveryReceipt, ReadReceipt } from './outbox.ts';
import type { Stored } from './outbox-change.ts';
import type { OutboxStore } from './outbox-store.ts';

/** What is known of a message after it went, or why that is not told; undefined: it may still come. `now`: Unix time, ms. */
export type FindReceipt<T> = (store: OutboxStore, stored: Stored, now: number) => Promise<T | RelayError | undefined>;

export const findDelivery: FindReceipt<DeliveryReceipt> = async (store, { id: sendId, record }, now) => {
  if (!record.deliveryReceipt) return new RelayError('no-delivery-receipt', { details: { sendId } });
  const { state } = record.progress;
  if (state === 'finalized') return untold(sendId, 'it went on chain');
  const delivery = state === 'relayed' ? await store.delivery(sendId) : undefined;
  switch (delivery?.state) {
    case undefined:
      return undefined;
    case 'delivered':
      return deliveryReceiptOf(delivery);
    case 'untold':
      return untold(sendId, 'no relay that has it tells');
    case 'awaited':
      if (deliveryAwaitedUntil(delivery) > now) return undefined;
      return new RelayError('delivery-timeout', { details: { sendId } });
  }
};

export const findRead: FindReceipt<ReadReceipt> = async (store, { id: sendId, record }, now) => {
  if (!record.readReceipt) return new RelayError('no-read-receipt', { details: { sendId } });
  const { progress } = record;
  const isGone = progress.state === 'relayed' || progress.state === 'finalized';
  const asked = isGone ? await store.asked(progress.messageId) : undefined;
  const isLate = isGone && (asked === undefined || waitedUntil(asked, record) <= now);
  // Looked at last: with the word goes that it was asked for.
  const read = await store.read(sendId);
  if (read !== undefined || !isLate) return read;
  return new RelayError('read-timeout', { details: { sendId } });
};

function untold(sendId: bigint, reason: string): RelayError {
  return new RelayError('delivery-untold', { details: { sendId, reason } });
}
