import { Reader, toBytes, toHex, Writer, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import {
  lastNumber,
  rangeOf,
  storeKey,
  type Expectation,
  type TransactionalStore,
  type Write,
} from '../store/index.ts';
import { decodeRecord, encodeRecord, type BlockRef, type MessageRecord } from './message-record.ts';

const cursorKey = storeKey('inbox/cursor');
const sequenceKey = storeKey('inbox/sequence');

/** Position of a message in the order of acceptance. */
export type Sequence = bigint;

export type SequencedRecord = readonly [sequence: Sequence, record: MessageRecord];

/** Keys and values of the inbox in its store. */
export class InboxStore {
  readonly #store: TransactionalStore;

  constructor(store: TransactionalStore) {
    this.#store = store;
  }

  /** Makes the store that of one chain: a cursor means nothing on another. Throws store-of-another-chain. */
  async claim(genesisHash: Hex): Promise<void> {
    const value = toBytes(genesisHash, 'genesisHash', 32);
    const key = storeKey('inbox/genesis');
    if (await this.#store.commit([{ key, value }], [{ key, value: undefined }])) return;
    const stored = toHex((await this.#store.get(key)) ?? value);
    if (stored !== genesisHash) throw new RelayError('store-of-another-chain', { details: { stored, genesisHash } });
  }

  /** The last block whose messages are all in the store; undefined before the first. */
  async cursor(): Promise<BlockRef | undefined> {
    const value = await this.#store.get(cursorKey);
    if (value === undefined) return undefined;
    const reader = new Reader(value, 'The cursor');
    return { number: reader.u32(), hash: toHex(reader.fixed(32)) };
  }

  cursorWrite({ number, hash }: BlockRef): Write {
    return {
      key: cursorKey,
      value: new Writer()
        .u32(number)
        .raw(toBytes(hash, 'hash', 32))
        .finish(),
    };
  }

  async nextSequence(): Promise<Sequence> {
    const value = await this.#store.get(sequenceKey);
    return value === undefined ? 0n : new Reader(value, 'The sequence').u64();
  }

  /** Adds a message: its record, and the sequence after it. */
  recordWrites(sequence: Sequence, record: MessageRecord): Write[] {
    return [this.recordWrite(sequence, record), this.sequenceWrite(sequence)];
  }

  /** Marks a sequence as used. */
  sequenceWrite(sequence: Sequence): Write {
    return { key: sequenceKey, value: new Writer().u64(sequence + 1n).finish() };
  }

  /** Marks a record as retracted, to be found again by its message id. */
  retractWrites(sequence: Sequence, id: Hex, record: MessageRecord): Write[] {
    const tag = { key: retractedKey(id), value: sequenceTag(sequence) };
    return [this.recordWrite(sequence, { ...record, isRetracted: true }), tag];
  }

  /** Undoes {@link retractWrites}. */
  reinstateWrites(sequence: Sequence, id: Hex, record: MessageRecord): Write[] {
    return [this.recordWrite(sequence, record), { key: retractedKey(id), value: undefined }];
  }

  /** The retracted message of an id. */
  async retracted(id: Hex): Promise<SequencedRecord | undefined> {
    const tag = await this.#store.get(retractedKey(id));
    if (tag === undefined) return undefined;
    const sequence = sequenceOfTag(tag);
    const record = await this.record(sequence);
    return record === undefined ? undefined : [sequence, record];
  }

  /** Changes or, with undefined, deletes a record. */
  recordWrite(sequence: Sequence, record: MessageRecord | undefined): Write {
    return { key: recordKey(sequence), value: record === undefined ? undefined : encodeRecord(record) };
  }

  async record(sequence: Sequence): Promise<MessageRecord | undefined> {
    const value = await this.#store.get(recordKey(sequence));
    return value === undefined ? undefined : decodeRecord(value);
  }

  /** Records from a sequence on, in order. */
  async recordsFrom(sequence: Sequence, limit?: number): Promise<SequencedRecord[]> {
    const range = { from: recordKey(sequence), to: rangeOf('inbox/record/').to };
    const entries = await this.#store.entries(limit === undefined ? range : { ...range, limit });
    return entries.map(([key, value]) => [lastNumber(key), decodeRecord(value)]);
  }

  commit(writes: readonly Write[], expected: readonly Expectation[] = []): Promise<boolean> {
    return this.#store.commit(writes, expected);
  }
}

function recordKey(sequence: Sequence): Uint8Array {
  return storeKey('inbox/record/', sequence);
}

function retractedKey(id: Hex): Uint8Array {
  return storeKey('inbox/retracted/', toBytes(id, 'id', 32));
}

/** The tag of a seen nonce: where its message stands. */
export function sequenceTag(sequence: Sequence): Uint8Array {
  return new Writer().u64(sequence).finish();
}

function sequenceOfTag(tag: Uint8Array): Sequence {
  return new Reader(tag, 'The tag of a nonce').u64();
}
