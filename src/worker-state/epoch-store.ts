import { fromHex, type Hex } from '../codec/index.ts';
import { rangeOf, storeKey } from '../store/keys.ts';
import type { TransactionalStore, Write } from '../store/transactional-store.ts';
import { checkKeyPage, emptyKeyPage, keysIn, withKeys, type KeyPage, type ProvenKey } from './key-page.ts';
import { mergeProven } from './merge-epochs.ts';
import { byPage, pageOf } from './proven-keys.ts';

const prefix = 'worker-state/keys/';
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
    const entries = await this.#store.entries(rangeOf(prefix, this.#genesis));
    return entries.map(([key, page]) => {
      checkKeyPage(page);
      return [key.at(-1) ?? 0, page];
    });
  }

  /** The proven keys that were seen of one worker. Throws truncated, store-failed. */
  async keysOf(id: Hex): Promise<readonly ProvenKey[]> {
    return keysIn((await this.#page(pageOf(id))) ?? emptyKeyPage, fromHex(id));
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
  async #saveAll(proven: readonly (readonly [id: Hex, keys: readonly ProvenKey[]])[]): Promise<boolean> {
    const writes: Write[] = [];
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

  #pageKey(number: number): Uint8Array {
    return storeKey(prefix, this.#genesis, Uint8Array.of(number));
  }
}
