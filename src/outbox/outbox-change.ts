import type { Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import { storeKey } from '../store/keys.ts';
import type { Expectation, Write } from '../store/transactional-store.ts';
import { encodeDelivery, type DeliveryState } from './delivery-state.ts';
import { encodeAsked, encodeReadReceipt } from './asked-read.ts';
import type { Route } from './route.ts';
import { encodeRecord, type MessageRecord, type Progress } from './message-record.ts';
import { encodePlace } from './off-chain-entry.ts';
import type { ReadReceipt } from './outbox.ts';
import { askedKey, deliveryKey, placeKey, prefixes, present } from './outbox-keys.ts';
import type { SendId } from './send-id.ts';

/** A record as it stands in the store: whoever changes it says from what. */
export interface Stored {
  readonly id: SendId;
  readonly record: MessageRecord;
  readonly bytes: Uint8Array;
}

/** What one transaction changes. */
export class Change {
  readonly writes: Write[] = [];
  /** What has to be so, beside the records that it was decided from. */
  readonly expected: Expectation[] = [];

  expect(expectation: Expectation): this {
    this.expected.push(expectation);
    return this;
  }

  progress({ id, record }: Pick<Stored, 'id' | 'record'>, progress: Progress): this {
    return this.write(messageWrite(id, { ...record, progress }));
  }

  queue(stored: Pick<Stored, 'id' | 'record'>, route: Route): this {
    return this.write(placeWrite(route, stored));
  }

  /** Of one that had failed: whoever works on the queue may have passed its place. */
  requeue({ id, record }: Pick<Stored, 'id' | 'record'>, route: Route): this {
    this.write(placeWrite(route, { id, record }));
    if (record.via === 'chain') return this;
    return this.write({ key: storeKey(prefixes.requeued, id), value: crypto.getRandomValues(new Uint8Array(16)) });
  }

  unqueue({ id, record }: Pick<Stored, 'id' | 'record'>, route: Route): this {
    this.write({ key: placeKey(route, id, record.account), value: undefined });
    // Where an earlier version queued it.
    if (route === 'account') this.write({ key: placeKey(route, id, undefined), value: undefined });
    return this;
  }

  unsign(id: SendId): this {
    return this.write({ key: storeKey(prefixes.signed, id), value: undefined });
  }

  /** Where its recipient's word is waited for: by which id it may be answered, and to which key. */
  ask(
    { id, record }: Pick<Stored, 'id' | 'record'>,
    sealed: { readonly messageId: Hex; readonly envelope: Uint8Array },
    now: number,
  ): this {
    if (!record.readReceipt) return this;
    const { senderKey } = decodeV1(sealed.envelope).header;
    return this.write({ key: askedKey(sealed.messageId), value: encodeAsked({ sendId: id, senderKey }, now) });
  }

  unask(messageId: Hex): this {
    return this.write({ key: askedKey(messageId), value: undefined });
  }

  read(id: SendId, receipt: ReadReceipt): this {
    return this.write({ key: storeKey(prefixes.read, id), value: encodeReadReceipt(receipt) });
  }

  delivery(id: SendId, delivery: DeliveryState): this {
    return this.write({ key: deliveryKey(id), value: encodeDelivery(delivery) });
  }

  dropBody(id: SendId): this {
    return this.write({ key: storeKey(prefixes.body, id), value: undefined });
  }

  /** Its end is known: kept for who asks, until there are too many. */
  done(id: SendId, isDone = true): this {
    return this.write({ key: storeKey(prefixes.done, id), value: isDone ? present : undefined });
  }

  forget(id: SendId): this {
    return this.write({ key: storeKey(prefixes.message, id), value: undefined })
      .write({ key: storeKey(prefixes.read, id), value: undefined })
      .write({ key: deliveryKey(id), value: undefined })
      .unsign(id)
      .dropBody(id)
      .done(id, false);
  }

  protected write(write: Write): this {
    this.writes.push(write);
    return this;
  }
}

export function messageWrite(id: SendId, record: MessageRecord): Write {
  return { key: storeKey(prefixes.message, id), value: encodeRecord(record) };
}

export function placeWrite(route: Route, { id, record }: Pick<Stored, 'id' | 'record'>): Write {
  const value = route === 'account' ? present : encodePlace(record);
  return { key: placeKey(route, id, record.account), value };
}
