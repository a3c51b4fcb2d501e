import { createBLAKE2b, type IHasher } from 'hash-wasm';
import { equalBytes } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { fastFromHexAll } from '../storage/fast-hex.ts';
import { decodeTrieNode, type TrieNode, type TrieValue } from './trie-node.ts';

const hashLength = 32;

/** blake2_256 in WASM: some ten times as fast as in JavaScript. */
export interface Hash256 {
  binary(bytes: Uint8Array): Uint8Array;
}

let loading: Promise<Hash256> | undefined;

export function loadHash256(): Promise<Hash256> {
  loading ??= createBLAKE2b(hashLength * 8).then((hasher: IHasher) => ({
    binary: (bytes) => hasher.init().update(bytes).digest('binary'),
  }));
  return loading;
}

/** Found, or what is missing to know: undefined. */
export interface Known<T> {
  readonly is: T;
}

/**
 * Nodes and values of a proof by their own hash, so that what is found under a hash is what was hashed: a node's answer
 * can leave something out, but not put something else in its place.
 */
export class ProofNodes {
  readonly hash: Hash256;
  readonly #hashes: Uint8Array[] = [];
  readonly #encoded: Uint8Array[] = [];
  /** Where a node is in the lists, by the beginning of its hash; -1: free. A place that is taken sends on to the next. */
  #places = new Int32Array(2 ** 8).fill(-1);

  constructor(hash: Hash256) {
    this.hash = hash;
  }

  get size(): number {
    return this.#encoded.length;
  }

  /** Throws bad-proof where something in the list is no hex. */
  add(proof: readonly unknown[]): void {
    const isText = proof.every((item) => typeof item === 'string');
    const encoded = isText ? fastFromHexAll(proof) : undefined;
    if (encoded === undefined)
      throw new RelayError('bad-proof', {
        details: { reason: 'it is not a list of hex' },
      });
    this.#reserve(this.size + encoded.length);
    for (const bytes of encoded) {
      const hash = this.hash.binary(bytes);
      const slot = this.#slotOf(hash);
      if (this.#places[slot] !== -1) continue;
      this.#places[slot] = this.#encoded.length;
      this.#hashes.push(hash);
      this.#encoded.push(bytes);
    }
  }

  /** The node with this Merkle value; undefined where it is not in the proof. Throws bad-proof. */
  node(merkleValue: Uint8Array): Known<TrieNode | undefined> | undefined {
    // A node of fewer bytes than a hash stands in its parent itself.
    const encoded = merkleValue.length < hashLength ? merkleValue : this.#get(merkleValue);
    return encoded === undefined ? undefined : { is: decodeTrieNode(encoded) };
  }

  /** undefined where the value is not in the proof. */
  value(value: TrieValue): Uint8Array | undefined {
    return 'inline' in value ? value.inline : this.#get(value.hash);
  }

  #get(hash: Uint8Array): Uint8Array | undefined {
    return this.#encoded[this.#places[this.#slotOf(hash)] ?? -1];
  }

  /** The slot with this hash, or the free one where it belongs. */
  #slotOf(hash: Uint8Array): number {
    const mask = this.#places.length - 1;
    for (let slot = beginning(hash) & mask; ; slot = (slot + 1) & mask) {
      const known = this.#hashes[this.#places[slot] ?? -1];
      if (known === undefined || equalBytes(known, hash)) return slot;
    }
  }

  /** At least half of the places stay free. */
  #reserve(count: number): void {
    if (2 * count <= this.#places.length) return;
    this.#places = new Int32Array(2 ** Math.ceil(Math.log2(2 * count))).fill(-1);
    this.#hashes.forEach((hash, place) => (this.#places[this.#slotOf(hash)] = place));
  }
}

/** A state root, which is a hash however short the node under it is. Throws bad-proof for what could be taken for a node. */
export function rootOf(stateRoot: Uint8Array): Uint8Array {
  if (stateRoot.length === hashLength) return stateRoot;
  throw new RelayError('bad-proof', { details: { reason: 'the state root is not of 32 bytes' } });
}

function beginning(hash: Uint8Array): number {
  return ((hash[0] ?? 0) << 24) | ((hash[1] ?? 0) << 16) | ((hash[2] ?? 0) << 8) | (hash[3] ?? 0);
}
