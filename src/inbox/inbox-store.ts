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
import type { RunMarks } from './run.ts';
import { StoredRuns } from './stored-runs.ts';
import { decodeItem, encodeItem, type Sequence, type StreamItem } from './stream-item.ts';

const cursorKey = storeKey('inbox/cursor');
const sequenceKey = storeKey('inbox/sequence');
const itemPrefix = storeKey('inbox/item/');
const deadPrefix = storeKey('inbox/dead/');
const relayedPrefix = storeKey('inbox/dead-relayed/');
const earlyPrefix = storeKey('inbox/early/');
const takenPrefix = storeKey('inbox/taken/');
const retractedPrefix = storeKey('inbox/retracted/');
const genesisKey = storeKey('inbox/genesis');
const retentionKey = storeKey('inbox/retention');
const layoutKey = storeKey('inbox/layout');
/** 1, which did not say so, had an entry for each item and no runs: it is read as it is. */
const layout = 2;
const nothing = new Uint8Array(0);

/** Letters, of which each may be large, read at once for nothing but their sequences. */
const fewLetters = 16;

/** Greater than any. */
export const maxBlockNumber = 2 ** 32 - 1;

export type SequencedItem = readonly [sequence: Sequence, item: StreamItem];
/** What is known of a dead letter that came through a relay, without the letter. */
export interface RelayedLetterMark {
  readonly messageId: Hex;
  /** Whether its sender was a registered worker. */
  readonly isRegistered: boolean;
  readonly bytes: number;
}
export type SequencedLetter = readonly [sequence: Sequence, letter: DeadLetter];

/**
 * Keys and values of the inbox in its store. Items have an entry each, or are in a run with those of the same transaction;
 * an entry counts more than the place in a run.
 */
export class InboxStore {
  readonly #store: TransactionalStore;
  readonly #runs: StoredRuns;

  constructor(store: TransactionalStore) {
    this.#store = store;
    this.#runs = new StoredRuns(store);
  }

  /** How long its replay window keeps nonces, for whoever looks after it without its settings. */
  async retentionMs(): Promise<number | undefined> {
    const value = await this.#store.get(retentionKey);
    return value === undefined ? undefined : Number(new Reader(value, 'The retention').u64());
  }

  async retentionWrites(ms: number): Promise<Write[]> {
    if ((await this.retentionMs()) === ms) return [];
    return [{ key: retentionKey, value: new Writer(8).u64(ms).finish() }];
  }

  /**
   * What makes the store that of one chain: a cursor means nothing on another. Throws store-of-another-chain, and
   * store-of-newer-version.
   */
  async claimWrites(genesisHash: Hex): Promise<Write[]> {
    const stored = await this.genesisHash();
    if (stored !== undefined && stored !== genesisHash)
      throw new RelayError('store-of-another-chain', { details: { stored, genesisHash } });
    const version = await this.#layout();
    if (stored !== undefined && version === layout) return [];
    return [
      { key: genesisKey, value: toBytes(genesisHash, 'genesisHash', 32) },
      { key: layoutKey, value: Uint8Array.of(layout) },
    ];
  }

  /** Of the chain whose messages it has; undefined where it never was an inbox's. */
  async genesisHash(): Promise<Hex | undefined> {
    const value = await this.#store.get(genesisKey);
    return value && toHex(value);
  }

  /** Throws store-of-newer-version where a later khala-relay wrote it, in a way that this one would misread. */
  async checkLayout(): Promise<void> {
    await this.#layout();
  }

  async #layout(): Promise<number> {
    const [stored = 1] = (await this.#store.get(layoutKey)) ?? [];
    if (stored > layout) throw new RelayError('store-of-newer-version', { details: { stored, known: layout } });
    return stored;
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

  /**
   * Appends items that are final, at consecutive sequences: all as one value, for what each alone costs. {@link forget}
   * where that is not committed.
   */
  runWrites(first: Sequence, items: readonly StreamItem[]): Write[] {
    const [only] = items;
    if (only === undefined) return [];
    if (items.length === 1) return [this.itemWrite(first, only)];
    return this.#runs.newWrites(first, items);
  }

  /** Deletes items; a run goes when all of it is done with. {@link forget} where that is not committed. */
  async doneWrites(sequences: readonly Sequence[]): Promise<Write[]> {
    const writes: Write[] = [];
    const touched = new Set<RunMarks>();
    let marks: RunMarks | undefined;
    for (const sequence of sequences) {
      let index = marks?.indexOf(sequence);
      if (index === undefined) {
        marks = await this.#runs.marksOf(sequence);
        index = marks?.indexOf(sequence);
        if (marks !== undefined) touched.add(marks);
      }
      // It may have an entry, also in the place of one that is done with.
      if (marks === undefined || index === undefined || !this.#runs.markDone(marks, index))
        writes.push(this.itemWrite(sequence, undefined));
    }
    for (const run of touched) writes.push(...this.#runs.marksWrites(run));
    return writes;
  }

  /** Puts another item in the place of one. {@link forget} where that is not committed. */
  async replaceWrites(sequence: Sequence, item: StreamItem): Promise<Write[]> {
    return [...(await this.doneWrites([sequence])), this.itemWrite(sequence, item)];
  }

  /** To be called where what was planned could not be committed: what is remembered is ahead of the store. */
  forget(): void {
    this.#runs.forget();
  }

  async item(sequence: Sequence): Promise<StreamItem | undefined> {
    const value = await this.#store.get(numberedKey(itemPrefix, sequence));
    if (value !== undefined) return decodeItem(value);
    const marks = await this.#runs.marksOf(sequence);
    const index = Number(sequence - (marks?.first ?? sequence));
    return marks === undefined || marks.isDone(index) ? undefined : (await this.#runs.runOf(marks))?.item(index);
  }

  /** Items from a sequence on, in order: none where there are no more, else 1 to `limit`. */
  async itemsFrom(sequence: Sequence, limit: number): Promise<SequencedItem[]> {
    for (let from = sequence; ;) {
      const entries = await this.#store.entries({
        from: numberedKey(itemPrefix, from),
        to: rangeOf(itemPrefix).to,
        limit,
      });
      const alone = entries.map(([key, value]): SequencedItem => [lastNumber(key), decodeItem(value)]);
      const marks = (await this.#runs.marksOf(from)) ?? (await this.#runs.nextMarks(from));
      const lastAlone = alone.at(-1)?.[0];
      if (marks === undefined || (alone.length === limit && lastAlone !== undefined && lastAlone < marks.first))
        return alone;
      const found = alone.filter(([at]) => at < marks.end);
      const run = await this.#runs.runOf(marks);
      const begin = from > marks.first ? Number(from - marks.first) : 0;
      for (let i = begin, left = limit; run !== undefined && i < marks.count && left > 0; i++) {
        if (marks.isDone(i)) continue;
        found.push([marks.first + BigInt(i), run.item(i)]);
        left -= 1;
      }
      if (found.length > 0) return found.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit);
      from = marks.end;
    }
  }

  letterWrite(sequence: Sequence, letter: DeadLetter): Write {
    return { key: numberedKey(deadPrefix, sequence), value: encodeDeadLetter(letter) };
  }

  removeLetterWrites(sequence: Sequence): Write[] {
    return [deadPrefix, relayedPrefix].map((prefix) => ({ key: numberedKey(prefix, sequence), value: undefined }));
  }

  relayedLetterWrite(sequence: Sequence, { messageId, isRegistered, bytes }: RelayedLetterMark): Write {
    const value = new Writer(37)
      .raw(toBytes(messageId, 'messageId', 32))
      .u8(isRegistered ? 1 : 0)
      .u32(bytes)
      .finish();
    return { key: numberedKey(relayedPrefix, sequence), value };
  }

  /** Of all dead letters that came through a relay, oldest first. */
  async relayedLetters(): Promise<(readonly [Sequence, RelayedLetterMark])[]> {
    const entries = await this.#store.entries(rangeOf(relayedPrefix));
    return entries.map(([key, value]) => {
      const reader = new Reader(value, 'The mark of a dead letter');
      const [messageId, isRegistered] = [toHex(reader.fixed(32)), reader.u8() === 1];
      return [lastNumber(key), { messageId, isRegistered, bytes: reader.u32() }];
    });
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

  /** Of the oldest dead letters. */
  async letterSequences(limit: number): Promise<Sequence[]> {
    const found: Sequence[] = [];
    while (found.length < limit) {
      const page = await this.lettersFrom((found.at(-1) ?? -1n) + 1n, Math.min(fewLetters, limit - found.length));
      if (page.length === 0) break;
      for (const [sequence] of page) found.push(sequence);
    }
    return found;
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

  async commit(writes: readonly Write[], expected: readonly Expectation[] = []): Promise<boolean> {
    const isDone = await this.#store.commit(writes, expected);
    if (isDone) this.#runs.committed();
    return isDone;
  }
}

function takenKey({ number, hash }: BlockId): Uint8Array {
  return storeKey(takenPrefix, BigInt(number), toBytes(hash, 'hash', 32));
}

function sequenceBytes(sequence: Sequence): Uint8Array {
  return new Writer(8).u64(sequence).finish();
}
