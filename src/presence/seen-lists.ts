import { blake2b } from '@noble/hashes/blake2.js';
import { fromHex, Reader, toHex, Writer, type Hex } from '../codec/index.ts';
import { storeKey, type TransactionalStore } from '../store/index.ts';

const prefix = 'presence/lists/';
/** Lists that are remembered. The chain takes a payload for four hours, so an older one can't come back. */
const remembered = 256;

interface Seen {
  /** Of each list, oldest first; the last one is the one that the owner wants. */
  readonly hashes: readonly Hex[];
  /** URLs of the last one. */
  readonly urls: readonly string[];
}

/**
 * The endpoint lists that one's own entry has had. Each list that its owner publishes is another sequence of bytes, since the
 * record in it is signed anew: so one that comes a second time was not published, but replayed.
 */
export class SeenLists {
  readonly #store: TransactionalStore;
  readonly #key: Uint8Array;

  constructor(store: TransactionalStore, genesisHash: Hex, identity: Hex) {
    this.#store = store;
    this.#key = storeKey(prefix, fromHex(genesisHash), fromHex(identity));
  }

  /** URLs of the newest list that the owner published; undefined where none was seen. */
  async wanted(): Promise<readonly string[] | undefined> {
    const { hashes, urls } = await this.#read();
    return hashes.length === 0 ? undefined : urls;
  }

  /** Whether it was seen before and another one after it. */
  async isOld(list: readonly string[]): Promise<boolean> {
    const { hashes } = await this.#read();
    return hashes.slice(0, -1).includes(hashOf(list));
  }

  /** Remembers the list as the one that the owner wants, durably. */
  async add(list: readonly string[], urls: readonly string[]): Promise<void> {
    const { hashes } = await this.#read();
    const hash = hashOf(list);
    if (hashes.at(-1) === hash) return;
    const kept = [...hashes.filter((other) => other !== hash), hash].slice(-remembered);
    const writer = new Writer().compactLength(kept.length);
    for (const each of kept) writer.raw(fromHex(each));
    writer.compactLength(urls.length);
    for (const url of urls) writer.bytes(new TextEncoder().encode(url));
    await this.#store.commit([{ key: this.#key, value: writer.finish() }]);
  }

  async #read(): Promise<Seen> {
    const value = await this.#store.get(this.#key);
    if (value === undefined) return { hashes: [], urls: [] };
    const reader = new Reader(value, 'Stored endpoint lists');
    const hashes = Array.from({ length: reader.compactLength() }, () => toHex(reader.fixed(32)));
    const urls = Array.from({ length: reader.compactLength() }, () => new TextDecoder().decode(reader.bytes()));
    return { hashes, urls };
  }
}

function hashOf(list: readonly string[]): Hex {
  return toHex(blake2b(new TextEncoder().encode(JSON.stringify(list)), { dkLen: 32 }));
}
