import { equalBytes, Reader, toHex, fromHex, Writer, type Hex } from '../codec/index.ts';
import { rangeOf, storeKey } from '../store/keys.ts';
import type { TransactionalStore, Write } from '../store/transactional-store.ts';
import { mergeProven } from './merge-epochs.ts';
import type { EpochKey } from './worker-state.ts';

const prefix = 'worker-state/epochs/';
const idBytes = 32;
/** Entries read in one transaction while loading. */
const loadAtOnce = 5_000;
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

  async *load(): AsyncGenerator<readonly [id: Hex, keys: readonly EpochKey[]]> {
    const range = rangeOf(prefix, this.#genesis);
    let { from } = range;
    for (;;) {
      const entries = await this.#store.entries({ from, to: range.to, limit: loadAtOnce });
      for (const [key, value] of entries) yield [toHex(key.slice(-idBytes)), decodeKeys(value)];
      const last = entries.at(-1);
      if (last === undefined || entries.length < loadAtOnce) return;
      from = storeKey(last[0], Uint8Array.of(0));
    }
  }

  /** The proven keys that were seen of one worker. */
  async keysOf(id: Hex): Promise<readonly EpochKey[]> {
    const value = await this.#store.get(this.#key(id));
    return value === undefined ? [] : decodeKeys(value);
  }

  /** Adds to what is there: others with the same store may know of epochs that this one does not. Throws store-failed. */
  async save(proven: ReadonlyMap<Hex, readonly EpochKey[]>): Promise<void> {
    const all = [...proven];
    for (let start = 0; start < all.length; start += saveAtOnce) {
      const part = all.slice(start, start + saveAtOnce);
      while (!(await this.#saveAll(part)));
    }
  }

  /** False where somebody else wrote meanwhile. */
  async #saveAll(proven: readonly (readonly [id: Hex, keys: readonly EpochKey[]])[]): Promise<boolean> {
    const writes: Write[] = [];
    const expected: Write[] = [];
    for (const [id, keys] of proven) {
      const key = this.#key(id);
      const before = await this.#store.get(key);
      const value = encodeKeys(mergeProven(before === undefined ? [] : decodeKeys(before), keys));
      if (before !== undefined && equalBytes(before, value)) continue;
      writes.push({ key, value });
      expected.push({ key, value: before });
    }
    return writes.length === 0 || this.#store.commit(writes, expected);
  }

  #key(id: Hex): Uint8Array {
    return storeKey(prefix, this.#genesis, fromHex(id));
  }
}

function encodeKeys(keys: readonly EpochKey[]): Uint8Array {
  const writer = new Writer().compactLength(keys.length);
  for (const { epoch, ecdhKey } of keys) writer.u32(epoch).raw(ecdhKey);
  return writer.finish();
}

function decodeKeys(value: Uint8Array): EpochKey[] {
  const reader = new Reader(value, 'Stored epochs');
  return Array.from({ length: reader.compactLength() }, () => ({
    epoch: reader.u32(),
    ecdhKey: reader.fixed(32),
    proven: true,
  }));
}
