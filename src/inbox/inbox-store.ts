import type { BlockId } from '../chain/index.ts';
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
import { EarlyMarks, maxBlockNumber } from './early-marks.ts';
import type { RunMarks } from './run.ts';
import { StoredLetters } from './stored-letters.ts';
import { StoredRuns } from './stored-runs.ts';
import { decodeItem, encodeItem, type Sequence, type StreamItem } from './stream-item.ts';

const cursorKey = storeKey('inbox/cursor');
const givenStartKey = storeKey('inbox/given-start');
const sequenceKey = storeKey('inbox/sequence');
const itemPrefix = storeKey('inbox/item/');
const genesisKey = storeKey('inbox/genesis');
const retentionKey = storeKey('inbox/retention');
const layoutKey = storeKey('inbox/layout');
/** 1, which did not say so, had an entry for each item and no runs: it is read as it is. */
const layout = 2;

export type SequencedItem = readonly [sequence: Sequence, item: StreamItem];

/**
 * Keys and values of the inbox in its store. Items have an entry each, or are in a run with those of the same transaction;
 * an entry counts more than the place in a run.
 */
export class InboxStore {
  /** Of what can not be read. */
  readonly letters: StoredLetters;
  /** Of what came before it was final. */
  readonly early: EarlyMarks;
  readonly #store: TransactionalStore;
  readonly #runs: StoredRuns;

  constructor(store: TransactionalStore) {
    this.#store = store;
    this.#runs = new StoredRuns(store);
    this.letters = new StoredLetters(store);
    this.early = new EarlyMarks(store);
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

  /** Holds while the store is of that chain, or of none. */
  genesisExpectation(genesisHash: Hex | undefined): Expectation {
    return { key: genesisKey, value: genesisHash && toBytes(genesisHash, 'genesisHash', 32) };
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
    return value && blockOf(value);
  }

  cursorWrite(block: BlockId): Write {
    return { key: cursorKey, value: blockBytes(block) };
  }

  cursorExpectation(block: BlockId | undefined): Expectation {
    return { key: cursorKey, value: block && blockBytes(block) };
  }

  /** Puts the cursor where reading is to begin. `isGiven`: as a number, and not for being the head. */
  startWrites(block: BlockId, isGiven: boolean): Write[] {
    return [this.cursorWrite(block), { key: givenStartKey, value: isGiven ? blockBytes(block) : undefined }];
  }

  /** Whether the cursor is where reading was told by number to begin, and nothing was read since. */
  async isAtGivenStart({ hash }: BlockId): Promise<boolean> {
    const value = await this.#store.get(givenStartKey);
    if (value === undefined || blockOf(value).hash !== hash) return false;
    return (await this.early.taken(0, maxBlockNumber)).length === 0;
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

  /** All, in order, and of those that have an entry each one in memory at a time: each may be as large as a block takes. */
  async *items(): AsyncGenerator<SequencedItem> {
    for (let from = 0n; ;) {
      const [next] = await this.itemsFrom(from, 1);
      if (next === undefined) return;
      yield next;
      from = next[0] + 1n;
    }
  }

  /**
   * One after another, each with what was planned of runs since the one before. False, and nothing written: an expectation does
   * not hold, or what is done with of a run is not as it was read.
   */
  async commit(writes: readonly Write[], expected: readonly Expectation[] = []): Promise<boolean> {
    const isDone = await this.#store.commit(writes, [...expected, ...this.#runs.expectations()]);
    if (isDone) this.#runs.committed();
    return isDone;
  }
}

function blockOf(value: Uint8Array): BlockId {
  const reader = new Reader(value, 'A stored block');
  return { number: reader.u32(), hash: toHex(reader.fixed(32)) };
}

function blockBytes({ number, hash }: BlockId): Uint8Array {
  return new Writer(36)
    .u32(number)
    .raw(toBytes(hash, 'hash', 32))
    .finish();
}

function sequenceBytes(sequence: Sequence): Uint8Array {
  return new Writer(8).u64(sequence).finish();
}
