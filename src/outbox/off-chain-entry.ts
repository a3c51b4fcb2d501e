import { fromHex, toHex, Writer, type Hex } from '../codec/index.ts';
import { mayGoOnChain } from './lane.ts';
import type { MessageRecord } from './message-record.ts';
import type { SendId } from './send-id.ts';

/** A message that waits off chain, as its place in the queue tells it. */
export interface OffChainEntry {
  readonly id: SendId;
  readonly to: Hex;
  readonly mayGoOnChain: boolean;
}

// Before the recipient.
const kinds = { mayGoOnChain: 1, onlyOffChain: 2 };

/** Its recipient is in it: whoever works on the queue need not read what waits behind others. */
export function encodeOffChainPlace(record: Pick<MessageRecord, 'to' | 'via'>): Uint8Array {
  const kind = mayGoOnChain(record) ? kinds.mayGoOnChain : kinds.onlyOffChain;
  return new Writer().u8(kind).raw(fromHex(record.to)).finish();
}

/** undefined: an earlier version left it to the record. */
export function decodeOffChainPlace(id: SendId, place: Uint8Array): OffChainEntry | undefined {
  const [kind] = place;
  const isFree = kind === kinds.mayGoOnChain;
  if (!isFree && kind !== kinds.onlyOffChain) return undefined;
  return { id, to: toHex(place.subarray(1)), mayGoOnChain: isFree };
}
