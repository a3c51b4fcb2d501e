import { fromHex, Reader, toHex, type Hex } from '../codec/index.ts';
import { rangeOf, storeKey } from '../store/keys.ts';
import type { TransactionalStore, Write } from '../store/transactional-store.ts';
import { checkKeyPage, emptyKeyPage, keysIn, withKeys, type KeyPage, type ProvenKey } from './key-page.ts';
import { mergeProven } from './merge-epochs.ts';
import { byPage, pageOf } from './proven-keys.ts';

const prefix = 'worker-state/keys/';
/** Where earlier versions had an entry for each worker. */
const earlierPrefix = 'worker-state/epochs/';
const idBytes = 32;
/** Workers whose keys are written in one transaction. */
const saveAtOnce = 1_000;

/** The proven keys of every worker, kept over restarts: a node that shows an old state must not take us back. */
export class EpochStore {
  readonly #store: TransactionalStore;
  readonly #genesis: Uint8Array;

  constructor(store: TransactionalStore, genesisHash: Hex) {
    this.#store = store;
    this.#genesis = fromHex(genesisHash);
  }

  /** All there are, by the number of their page. Throws truncated, store-failed. */
  async load(): Promise<readonly (readonly [number: number, page: KeyPage])[]> {
    await this.#takeOverEarlier();
    const entries = await this.#store.entries(rangeOf(prefix, this.#genesis));
    return entries.map(([key, page]) => {
      checkKeyPage(page);
      return [key.at(-1) ?? 0, page];
    });
  }

  /** The proven keys that were seen of one worker. Throws truncated, store-failed. */
  async keysOf(id: Hex): Promise<readonly ProvenKey[]> {
    const keys = keysIn((await this.#page(pageOf(id))) ?? emptyKeyPage, fromHex(id));
    const earlier = await this.#store.get(storeKey(earlierPrefix, this.#genesis, fromHex(id)));
    return earlier === undefined ? keys : mergeProven(decodeEarlier(earlier), keys);
  }

  /** Adds to what is there: others with the same store may know of epochs that this one does not. Throws store-failed. */
  async save(proven: ReadonlyMap<Hex, readonly ProvenKey[]>): Promise<void> {
    const all = [...proven];
    for (let start = 0; start < all.length; start += saveAtOnce) {
      const part = all.slice(start, start + saveAtOnce);
      while (!(await this.#saveAll(part)));
    }
  }

  /** False where somebody else wrote meanwhile. */
  async #saveAll(
    proven: readonly (readonly [id: Hex, keys: readonly ProvenKey[]])[],
    also: readonly Write[] = [],
  ): Promise<boolean> {
    const writes = [...also];
    const expected: Write[] = [];
    for (const [number, part] of byPage(proven)) {
      const key = this.#pageKey(number);
      const stored = await this.#page(number);
      const before = stored ?? emptyKeyPage;
      const merged = part.map(([id, keys]) => [id, mergeProven(keysIn(before, fromHex(id)), keys)] as const);
      const page = withKeys(before, merged);
      if (page === before) continue;
      writes.push({ key, value: page });
      expected.push({ key, value: stored });
    }
    return writes.length === 0 || this.#store.commit(writes, expected);
  }

  async #page(number: number): Promise<KeyPage | undefined> {
    const page = await this.#store.get(this.#pageKey(number));
    if (page !== undefined) checkKeyPage(page);
    return page;
  }

  /** Puts what an earlier version stored into pages. */
  async #takeOverEarlier(): Promise<void> {
    for (;;) {
      const range = { ...rangeOf(earlierPrefix, this.#genesis), limit: saveAtOnce };
      const entries = await this.#store.entries(range);
      if (entries.length === 0) return;
      const proven = entries.map(([key, value]) => [toHex(key.slice(-idBytes)), decodeEarlier(value)] as const);
      // Where another one does the same at the same time both come to it.
      await this.#saveAll(
        proven,
        entries.map(([key]) => ({ key, value: undefined })),
      );
    }
  }

  #pageKey(number: number): Uint8Array {
    return storeKey(prefix, this.#genesis, Uint8Array.of(number));
  }
}

function decodeEarlier(value: Uint8Array): ProvenKey[] {
  const reader = new Reader(value, 'Stored epochs');
  return Array.from({ length: reader.compactLength() }, () => ({
    epoch: reader.u32(),
    ecdhKey: reader.fixed(32),
    proven: true,
  }));
}
