import { Reader, Writer } from '../codec/index.ts';
import type { DeliveryReceipt } from './outbox.ts';

/** Relays know the id of a message for so long after it was sent (docs/relay.md, Delivery). */
const patienceMs = 25 * 3_600_000;

const states = ['awaited', 'delivered', 'untold'] as const;

/** What is known of the delivery of a message that went off chain, where that was asked. */
export interface DeliveryState {
  /** untold: no relay that has the message tells. */
  readonly state: (typeof states)[number];
  /** Unix ms. Of awaited: the message's `sentAt`, else when that became known. */
  readonly at: bigint;
}

export function encodeDelivery({ state, at }: DeliveryState): Uint8Array {
  return new Writer().u8(states.indexOf(state)).u64(at).finish();
}

export function decodeDelivery(bytes: Uint8Array): DeliveryState {
  const reader = new Reader(bytes, 'The delivery of a message');
  const index = reader.u8();
  const state = states[index];
  if (state === undefined) throw reader.unknownVariant(index);
  return { state, at: reader.u64() };
}

export function deliveryReceiptOf({ at }: DeliveryState): DeliveryReceipt {
  return { deliveredAt: Number(at) };
}

/** Until when the word that a message was delivered is waited for, Unix ms. */
export function deliveryAwaitedUntil({ at }: DeliveryState): number {
  return Number(at) + patienceMs;
}
