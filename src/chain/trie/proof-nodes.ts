import { createBLAKE2b, type IHasher } from 'hash-wasm';
import { equalBytes } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { fastFromHex } from '../storage/fast-hex.ts';
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
  /** By the first 30 bits of the hash; where those are taken, by the next number that is free. */
  readonly #encoded = new Map<number, { readonly hash: Uint8Array; readonly bytes: Uint8Array }>();

  constructor(hash: Hash256) {
    this.hash = hash;
  }

  get size(): number {
    return this.#encoded.size;
  }

  /** Throws bad-proof where something in the list is no hex. */
  add(proof: readonly unknown[]): void {
    for (const item of proof) {
      const bytes = typeof item === 'string' ? fastFromHex(item) : undefined;
      if (bytes === undefined) throw new RelayError('bad-proof', { details: { reason: 'it is not a list of hex' } });
      const hash = this.hash.binary(bytes);
      if (this.#get(hash) !== undefined) continue;
      let slot = firstSlot(hash);
      while (this.#encoded.has(slot)) slot += 1;
      this.#encoded.set(slot, { hash, bytes });
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
    for (let slot = firstSlot(hash); ; slot += 1) {
      const node = this.#encoded.get(slot);
      if (node === undefined || equalBytes(node.hash, hash)) return node?.bytes;
    }
  }
}

/** A small number is looked up several times as fast as 64 digits of text. */
function firstSlot(hash: Uint8Array): number {
  return (((hash[0] ?? 0) & 0x3f) << 24) | ((hash[1] ?? 0) << 16) | ((hash[2] ?? 0) << 8) | (hash[3] ?? 0);
}
