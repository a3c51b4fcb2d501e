import type { BlockId } from '../../chain/index.ts';
import { Reader, toBytes, toHex, Writer, type Hex } from '../../codec/index.ts';
import { RelayError, type ErrorCode } from '../../errors/index.ts';
import {
  lastNumber,
  rangeOf,
  storeKey,
  type Expectation,
  type TransactionalStore,
  type Write,
} from '../../store/index.ts';
import { PhalaLetters, type NumberedMark } from './phala-letters.ts';
import { decodePostedItem, encodePostedItem, type PostedCommand, type PostedItem } from './posted-item.ts';

/** Place in the order of the chain. */
export type Place = bigint;

const genesisKey = storeKey('phala/genesis');
const cursorKey = storeKey('phala/cursor');
const givenStartKey = storeKey('phala/given-start');
const nextKey = storeKey('phala/next');
const itemsAtOnce = 16;
/** Of `CommandPayload` (protocol.md §6). */
const sealedVariant = 1;

/** Keys and values of a listener in its store. */
export class PhalaStore {
  /** Of what can not be read. */
  readonly letters: PhalaLetters;
  readonly #store: TransactionalStore;

  constructor(store: TransactionalStore) {
    this.#store = store;
    this.letters = new PhalaLetters(store);
  }

  /** undefined where it never was a listener's. */
  async genesisHash(): Promise<Hex | undefined> {
    const value = await this.#store.get(genesisKey);
    return value && toHex(value);
  }

  /** Throws store-of-another-chain. */
  async claim(genesisHash: Hex): Promise<void> {
    const value = toBytes(genesisHash, 'genesisHash', 32);
    if (await this.#store.commit([{ key: genesisKey, value }], [{ key: genesisKey, value: undefined }])) return;
    const stored = toHex((await this.#store.get(genesisKey)) ?? value);
    if (stored !== genesisHash) throw new RelayError('store-of-another-chain', { details: { stored, genesisHash } });
  }

  async cursor(): Promise<BlockId | undefined> {
    const value = await this.#store.get(cursorKey);
    return value && blockOf(value);
  }

  /** Puts the cursor where reading is to begin, durably. `isGiven`: as a number, and not for being the head. */
  async begin(after: BlockId, isGiven: boolean): Promise<void> {
    const value = blockBytes(after);
    await this.#store.commit([
      { key: cursorKey, value },
      { key: givenStartKey, value: isGiven ? value : undefined },
    ]);
  }

  /** Whether the cursor is where reading was told by number to begin, and nothing was read since. */
  async isAtGivenStart({ hash }: BlockId): Promise<boolean> {
    const value = await this.#store.get(givenStartKey);
    return value !== undefined && blockOf(value).hash === hash;
  }

  /** Appends what blocks held and moves the cursor behind them, in one transaction: so each posting is kept once. */
  async take(items: readonly PostedItem[], through: BlockId): Promise<void> {
    for (;;) {
      const { writes, expectation } = await this.#appending(items);
      if (await this.#store.commit([{ key: cursorKey, value: blockBytes(through) }, ...writes], [expectation])) return;
    }
  }

  /** Makes a posting that can not be read a dead letter, in one transaction. */
  async bury(place: Place, command: PostedCommand, code: ErrorCode): Promise<void> {
    for (;;) {
      const { writes, expected } = await this.letters.addition(place, command, code);
      if (await this.#store.commit([{ key: itemKey(place), value: undefined }, ...writes], expected)) return;
    }
  }

  /** Makes a dead letter a posting again, the last one, in one transaction. False: somebody else changed something meanwhile. */
  async revive(letter: NumberedMark, command: PostedCommand): Promise<boolean> {
    const { writes, expected } = await this.letters.removal([letter]);
    const appending = await this.#appending([command]);
    return this.#store.commit([...writes, ...appending.writes], [...expected, appending.expectation]);
  }

  async #appending(items: readonly PostedItem[]): Promise<{ writes: Write[]; expectation: Expectation }> {
    const value = await this.#store.get(nextKey);
    const start = value === undefined ? 0n : new Reader(value, 'The next place').u64();
    const writes = items.map((item, i): Write => ({ key: itemKey(start + BigInt(i)), value: encodePostedItem(item) }));
    const next = new Writer().u64(start + BigInt(items.length)).finish();
    if (items.length > 0) writes.push({ key: nextKey, value: next });
    return { writes, expectation: { key: nextKey, value } };
  }

  /**
   * Later blocks were made up by one node: what was kept of them from a place on is forgotten, and the dead letters of them, in
   * one transaction, and they are read again.
   */
  async goBackTo(through: BlockId, from: Place): Promise<void> {
    for (;;) {
      // A dead letter that is made a posting again meanwhile is appended.
      const appended: Expectation = { key: nextKey, value: await this.#store.get(nextKey) };
      const writes = await this.#removalBehind(through, from);
      const later: NumberedMark[] = [];
      for await (const letter of this.letters.marks()) if (letter[1].block > through.number) later.push(letter);
      const dead = await this.letters.removal(later);
      const cursor = { key: cursorKey, value: blockBytes(through) };
      if (await this.#store.commit([cursor, ...writes, ...dead.writes], [appended, ...dead.expected])) return;
    }
  }

  /** Of what was kept of later blocks, from a place on. */
  async #removalBehind(through: BlockId, from: Place): Promise<Write[]> {
    const writes: Write[] = [];
    for (let next = from; ;) {
      const page = await this.itemsFrom(next, itemsAtOnce);
      if (page.length === 0) return writes;
      for (const [place, item] of page) {
        if ((item.kind === 'posted' ? item.block : item.last) > through.number)
          writes.push({ key: itemKey(place), value: undefined });
        next = place + 1n;
      }
    }
  }

  async itemsFrom(place: Place, limit: number): Promise<(readonly [Place, PostedItem])[]> {
    const entries = await this.#store.entries({ from: itemKey(place), to: rangeOf('phala/item/').to, limit });
    return entries.map(([key, value]) => [lastNumber(key), decodePostedItem(value)] as const);
  }

  /** Whether a command is kept that is sealed. */
  async hasSealed(): Promise<boolean> {
    for (let from: Place = 0n; ;) {
      const page = await this.itemsFrom(from, itemsAtOnce);
      if (page.length === 0) return false;
      for (const [place, item] of page) {
        if (item.kind === 'posted' && item.payload[0] === sealedVariant) return true;
        from = place + 1n;
      }
    }
  }

  async forget(place: Place): Promise<void> {
    await this.#store.commit([{ key: itemKey(place), value: undefined }]);
  }
}

function blockBytes({ number, hash }: BlockId): Uint8Array {
  return new Writer()
    .u32(number)
    .raw(toBytes(hash, 'hash', 32))
    .finish();
}

function blockOf(value: Uint8Array): BlockId {
  const reader = new Reader(value, 'The cursor');
  return { number: reader.u32(), hash: toHex(reader.fixed(32)) };
}

function itemKey(place: Place): Uint8Array {
  return storeKey('phala/item/', place);
}
