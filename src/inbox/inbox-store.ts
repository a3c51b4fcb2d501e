import type { BlockId, BlockNumber } from '../chain/index.ts';
import { Reader, toBytes, toHex, Writer, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import {
  lastNumber,
  numberedKey,
  rangeOf,
  storeKey,
  type Expectation,
  type TransactionalStore,
  type Write,
} from '../store/index.ts';
import { decodeDeadLetter, encodeDeadLetter, type DeadLetter } from './dead-letter.ts';
import { decodeItem, encodeItem, type Sequence, type StreamItem } from './stream-item.ts';

const cursorKey = storeKey('inbox/cursor');
const sequenceKey = storeKey('inbox/sequence');
const itemPrefix = storeKey('inbox/item/');
const deadPrefix = storeKey('inbox/dead/');
const earlyPrefix = storeKey('inbox/early/');
const takenPrefix = storeKey('inbox/taken/');
const retractedPrefix = storeKey('inbox/retracted/');
const nothing = new Uint8Array(0);

export type SequencedItem = readonly [sequence: Sequence, item: StreamItem];
export type SequencedLetter = readonly [sequence: Sequence, letter: DeadLetter];

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

  /** The last block whose messages are all in the store and final; undefined before the first. */
  async cursor(): Promise<BlockId | undefined> {
    const value = await this.#store.get(cursorKey);
    if (value === undefined) return undefined;
    const reader = new Reader(value, 'The cursor');
    return { number: reader.u32(), hash: toHex(reader.fixed(32)) };
  }

  cursorWrite({ number, hash }: BlockId): Write {
    return {
      key: cursorKey,
      value: new Writer(36)
        .u32(number)
        .raw(toBytes(hash, 'hash', 32))
        .finish(),
    };
  }

  async nextSequence(): Promise<Sequence> {
    const value = await this.#store.get(sequenceKey);
    return value === undefined ? 0n : new Reader(value, 'The sequence').u64();
  }

  /** Holds while nobody else accepted anything: all that is accepted moves it. */
  sequenceExpectation(next: Sequence): Expectation {
    return { key: sequenceKey, value: next === 0n ? undefined : sequenceBytes(next) };
  }

  sequenceWrite(next: Sequence): Write {
    return { key: sequenceKey, value: sequenceBytes(next) };
  }

  /** Writes or, with undefined, deletes an item. */
  itemWrite(sequence: Sequence, item: StreamItem | undefined): Write {
    return { key: numberedKey(itemPrefix, sequence), value: item === undefined ? undefined : encodeItem(item) };
  }

  async item(sequence: Sequence): Promise<StreamItem | undefined> {
    const value = await this.#store.get(numberedKey(itemPrefix, sequence));
    return value === undefined ? undefined : decodeItem(value);
  }

  /** Items from a sequence on, in order. */
  async itemsFrom(sequence: Sequence, limit: number): Promise<SequencedItem[]> {
    const entries = await this.#store.entries({
      from: numberedKey(itemPrefix, sequence),
      to: rangeOf(itemPrefix).to,
      limit,
    });
    return entries.map(([key, value]) => [lastNumber(key), decodeItem(value)]);
  }

  letterWrite(sequence: Sequence, letter: DeadLetter | undefined): Write {
    return {
      key: numberedKey(deadPrefix, sequence),
      value: letter === undefined ? undefined : encodeDeadLetter(letter),
    };
  }

  async letter(sequence: Sequence): Promise<DeadLetter | undefined> {
    const value = await this.#store.get(numberedKey(deadPrefix, sequence));
    return value === undefined ? undefined : decodeDeadLetter(value);
  }

  /** Dead letters from a sequence on, oldest first. */
  async lettersFrom(sequence: Sequence, limit: number): Promise<SequencedLetter[]> {
    const entries = await this.#store.entries({
      from: numberedKey(deadPrefix, sequence),
      to: rangeOf(deadPrefix).to,
      limit,
    });
    return entries.map(([key, value]) => [lastNumber(key), decodeDeadLetter(value)]);
  }

  /** Marks what an unfinalized block brought, so that it is found by the block's number. */
  earlyWrite(number: BlockNumber, sequence: Sequence, isThere: boolean): Write {
    const key = storeKey(earlyPrefix, BigInt(number), sequence);
    return { key, value: isThere ? nothing : undefined };
  }

  /** What unfinalized blocks of these numbers brought, by number, then in the order of acceptance. */
  async early(first: BlockNumber, last: BlockNumber): Promise<{ number: BlockNumber; sequence: Sequence }[]> {
    const from = storeKey(earlyPrefix, BigInt(first));
    const entries = await this.#store.entries({ from, to: storeKey(earlyPrefix, BigInt(last) + 1n) });
    return entries.map(([key]) => ({ number: Number(lastNumber(key.subarray(0, -8))), sequence: lastNumber(key) }));
  }

  /** Marks an unfinalized block as taken: it is not taken again after a restart. */
  takenWrite({ number, hash }: BlockId, isTaken: boolean): Write {
    return { key: takenKey({ number, hash }), value: isTaken ? nothing : undefined };
  }

  async isTaken(block: BlockId): Promise<boolean> {
    return (await this.#store.get(takenKey(block))) !== undefined;
  }

  /** Unfinalized blocks that were taken, of these numbers, the highest first. */
  async taken(first: BlockNumber, last: BlockNumber): Promise<BlockId[]> {
    const from = storeKey(takenPrefix, BigInt(first));
    const entries = await this.#store.entries({ from, to: storeKey(takenPrefix, BigInt(last) + 1n), reverse: true });
    return entries.map(([key]) => ({
      number: Number(lastNumber(key.subarray(0, -32))),
      hash: toHex(key.subarray(-32)),
    }));
  }

  /** Where a retracted message is found when it comes back. undefined takes the mark away. */
  retractedWrite(id: Hex, sequence: Sequence | undefined): Write {
    const key = storeKey(retractedPrefix, toBytes(id, 'id', 32));
    return { key, value: sequence === undefined ? undefined : sequenceBytes(sequence) };
  }

  async retracted(id: Hex): Promise<Sequence | undefined> {
    const value = await this.#store.get(storeKey(retractedPrefix, toBytes(id, 'id', 32)));
    return value === undefined ? undefined : new Reader(value, 'A retracted message').u64();
  }

  async hasRetracted(): Promise<boolean> {
    return (await this.#store.entries({ ...rangeOf(retractedPrefix), limit: 1 })).length > 0;
  }

  commit(writes: readonly Write[], expected: readonly Expectation[] = []): Promise<boolean> {
    return this.#store.commit(writes, expected);
  }
}

function takenKey({ number, hash }: BlockId): Uint8Array {
  return storeKey(takenPrefix, BigInt(number), toBytes(hash, 'hash', 32));
}

export function sequenceBytes(sequence: Sequence): Uint8Array {
  return new Writer(8).u64(sequence).finish();
}
