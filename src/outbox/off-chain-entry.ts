import { fromHex, toHex, Writer, type Hex } from '../codec/index.ts';
import { mayGoOnChain } from './route.ts';
import type { MessageRecord } from './message-record.ts';
import type { SendId } from './send-id.ts';

/** A message that may go off chain, as its place in the queue tells it. */
export interface OffChainEntry {
  readonly id: SendId;
  readonly to: Hex;
  readonly mayGoOnChain: boolean;
}

// Before the recipient, where there is one.
const kinds = { mayGoOnChain: 1, onlyOffChain: 2, onlyOnChain: 3 };

/** With its recipient, where it may go off chain: whoever works on the queue need not read what waits behind others. */
export function encodePlace(record: Pick<MessageRecord, 'to' | 'via'>): Uint8Array {
  if (record.via === 'chain') return Uint8Array.of(kinds.onlyOnChain);
  const kind = mayGoOnChain(record) ? kinds.mayGoOnChain : kinds.onlyOffChain;
  return new Writer().u8(kind).raw(fromHex(record.to)).finish();
}

/** only-on-chain: it has no other way. unknown: an earlier version left it to the record. */
export function decodePlace(id: SendId, place: Uint8Array): OffChainEntry | 'only-on-chain' | 'unknown' {
  const [kind] = place;
  if (kind === kinds.onlyOnChain) return 'only-on-chain';
  const isFree = kind === kinds.mayGoOnChain;
  if (!isFree && kind !== kinds.onlyOffChain) return 'unknown';
  return { id, to: toHex(place.subarray(1)), mayGoOnChain: isFree };
}
