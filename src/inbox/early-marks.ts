import type { BlockId, BlockNumber } from '../chain/index.ts';
import { Reader, toBytes, toHex, Writer, type Hex } from '../codec/index.ts';
import { lastNumber, numberedKey, rangeOf, storeKey, type TransactionalStore, type Write } from '../store/index.ts';
import type { Sequence } from './stream-item.ts';

const earlyPrefix = storeKey('inbox/early/');
const takenPrefix = storeKey('inbox/taken/');
const retractedPrefix = storeKey('inbox/retracted/');
const copyPrefix = storeKey('inbox/copy/');
const nothing = new Uint8Array(0);

/** Greater than any. */
export const maxBlockNumber = 2 ** 32 - 1;

/** Keys and values of what is marked in the store of an inbox until it is final: unfinalized blocks, and what they brought. */
export class EarlyMarks {
  readonly #store: TransactionalStore;

  constructor(store: TransactionalStore) {
    this.#store = store;
  }

  /** Marks what an unfinalized block brought, so that it is found by the block's number. */
  messageWrite(number: BlockNumber, sequence: Sequence, isThere: boolean): Write {
    const key = storeKey(earlyPrefix, BigInt(number), sequence);
    return { key, value: isThere ? nothing : undefined };
  }

  /** What unfinalized blocks of these numbers brought, by number, then in the order of acceptance. */
  async messages(first: BlockNumber, last: BlockNumber): Promise<{ number: BlockNumber; sequence: Sequence }[]> {
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

  /** What a relay brought of a message of an unfinalized block: there is nothing else where a reorg takes that. undefined takes it away. */
  copyWrite(sequence: Sequence, envelope: Uint8Array | undefined): Write {
    return { key: numberedKey(copyPrefix, sequence), value: envelope };
  }

  copy(sequence: Sequence): Promise<Uint8Array | undefined> {
    return this.#store.get(numberedKey(copyPrefix, sequence));
  }

  /** Where a retracted message is found when it comes back. undefined takes the mark away. */
  retractedWrite(id: Hex, sequence: Sequence | undefined): Write {
    const key = storeKey(retractedPrefix, toBytes(id, 'id', 32));
    return { key, value: sequence === undefined ? undefined : new Writer(8).u64(sequence).finish() };
  }

  async retracted(id: Hex): Promise<Sequence | undefined> {
    const value = await this.#store.get(storeKey(retractedPrefix, toBytes(id, 'id', 32)));
    return value === undefined ? undefined : new Reader(value, 'A retracted message').u64();
  }

  async hasRetracted(): Promise<boolean> {
    return (await this.#store.entries({ ...rangeOf(retractedPrefix), limit: 1 })).length > 0;
  }
}

function takenKey({ number, hash }: BlockId): Uint8Array {
  return storeKey(takenPrefix, BigInt(number), toBytes(hash, 'hash', 32));
}
