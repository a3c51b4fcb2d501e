import type { Hex } from '../../codec/hex.ts';
import type { StateReader, StorageDiff } from '../executor/protocol.ts';
import type { Hashing } from '../hashing.ts';
import { bytesToHex } from '../hex.ts';
import { readProof } from './read-proof.ts';
import { merkleValue, trieRoot, type StateVersion } from './trie-encoding.ts';
import { trieClosest, trieFromSorted, trieGet, trieKeys, trieSet, type Trie } from './trie.ts';

/** The state after one block. It never changes: `with` gives another one. */
export class ChainState implements StateReader {
  readonly #trie: Trie;
  readonly #hashing: Hashing;

  private constructor(trie: Trie, hashing: Hashing) {
    this.#trie = trie;
    this.#hashing = hashing;
  }

  static from(entries: Iterable<readonly [Hex, Hex]>, hashing: Hashing): ChainState {
    const sorted = Array.from(entries, ([key, value]) => [key.slice(2), value] as const);
    sorted.sort(([a], [b]) => (a < b ? -1 : 1));
    return new ChainState(trieFromSorted(sorted), hashing);
  }

  get(key: Hex): Hex | undefined {
    return trieGet(this.#trie, key.slice(2).toLowerCase()) as Hex | undefined;
  }

  nextKey(prefix: Hex, key: Hex): Hex | undefined {
    return this.keys(prefix, key, 1)[0];
  }

  /** Up to `limit` keys that start with `prefix` and come after `after`, in order. */
  keys(prefix: Hex, after: Hex, limit: number): Hex[] {
    const found = trieKeys(this.#trie, prefix.slice(2).toLowerCase(), after.slice(2).toLowerCase(), limit);
    return found.map((key): Hex => `0x${key}`);
  }

  with(diff: StorageDiff): ChainState {
    let trie = this.#trie;
    for (const [key, value] of diff) trie = trieSet(trie, key.slice(2).toLowerCase(), value ?? undefined);
    return new ChainState(trie, this.#hashing);
  }

  root(version: StateVersion): Hex {
    return bytesToHex(trieRoot(this.#trie, version, this.#hashing.blake2b256));
  }

  rootWith(diff: StorageDiff, version: StateVersion): Hex {
    return this.with(diff).root(version);
  }

  /** Of the node at the key, else of the nearest under which all keys with that prefix hang. */
  closestDescendantMerkleValue(key: Hex, version: StateVersion): Hex | undefined {
    const node = trieClosest(this.#trie, key.slice(2).toLowerCase());
    return node === undefined ? undefined : bytesToHex(merkleValue(node, version, this.#hashing.blake2b256));
  }

  proof(keys: readonly Hex[], version: StateVersion): Hex[] {
    const nibbles = keys.map((key) => key.slice(2).toLowerCase());
    return readProof(this.#trie, nibbles, version, this.#hashing.blake2b256);
  }
}
