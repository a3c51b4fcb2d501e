import { createBLAKE2b, type IHasher } from 'hash-wasm';
import { RelayError } from '../../errors/index.ts';
import { allocate, writeHex } from '../storage/fast-hex.ts';
import { decodeTrieNode, type TrieNode } from './trie-node.ts';

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
 * can leave something out, but not put something else in its place. They stand one behind the other, their hashes too: an
 * object for each would keep the garbage collector as busy as all the rest.
 */
export class ProofNodes {
  readonly hash: Hash256;
  #memory = allocate(0);
  /** The same, in views that are cheap to make. */
  #bytes: Uint8Array = new Uint8Array(0);
  #hashes = new Uint8Array(0);
  readonly #ends: number[] = [];
  /** Where a node is in the lists, by the beginning of its hash; -1: free. A place that is taken sends on to the next. */
  #places = new Int32Array(2 ** 4).fill(-1);

  constructor(hash: Hash256) {
    this.hash = hash;
  }

  get size(): number {
    return this.#ends.length;
  }

  /** Throws bad-proof where something in the list is no hex. */
  add(proof: readonly unknown[]): void {
    let digits = 0;
    for (const item of proof) digits += typeof item === 'string' ? item.length : 0;
    this.#reserve(this.size + proof.length, this.#used + digits / 2);
    for (const item of proof) {
      const start = this.#used;
      const isText = typeof item === 'string' && item.startsWith('0x');
      const end = isText ? writeHex(this.#memory, start, item, 2) : -1;
      if (end < 0) throw new RelayError('bad-proof', { details: { reason: 'it is not a list of hex' } });
      const hash = this.hash.binary(this.#bytes.subarray(start, end));
      const slot = this.#slotOf(hash, 0);
      if (this.#places[slot] !== -1) continue;
      this.#places[slot] = this.size;
      this.#hashes.set(hash, hashLength * this.size);
      this.#ends.push(end);
    }
  }

  /** The node with this Merkle value; undefined where it is not in the proof. Throws bad-proof. */
  node(merkleValue: Uint8Array): Known<TrieNode | undefined> | undefined {
    return this.nodeAt(merkleValue, 0, merkleValue.length);
  }

  /** As {@link node}, of the Merkle value between two places. */
  nodeAt(bytes: Uint8Array, start: number, end: number): Known<TrieNode | undefined> | undefined {
    // A node of fewer bytes than a hash stands in its parent itself.
    if (end - start < hashLength) return { is: decodeTrieNode(bytes, start, end) };
    const place = this.#find(bytes, start);
    return place === -1 ? undefined : { is: decodeTrieNode(this.#bytes, this.#start(place), this.#ends[place]) };
  }

  /** Of a node that has one; undefined where it is not in the proof. */
  valueOf({ bytes, isValueHashed, valueStart, valueEnd }: TrieNode): Uint8Array | undefined {
    if (!isValueHashed) return bytes.subarray(valueStart, valueEnd);
    const place = this.#find(bytes, valueStart);
    return place === -1 ? undefined : this.#bytes.subarray(this.#start(place), this.#ends[place]);
  }

  get #used(): number {
    return this.#ends[this.#ends.length - 1] ?? 0;
  }

  #start(place: number): number {
    return this.#ends[place - 1] ?? 0;
  }

  #find(hash: Uint8Array, at: number): number {
    return this.#places[this.#slotOf(hash, at)] ?? -1;
  }

  /** The slot with this hash, or the free one where it belongs. */
  #slotOf(hash: Uint8Array, at: number): number {
    const mask = this.#places.length - 1;
    for (let slot = beginning(hash, at) & mask; ; slot = (slot + 1) & mask) {
      const place = this.#places[slot] ?? -1;
      if (place === -1 || this.#isHashOf(place, hash, at)) return slot;
    }
  }

  #isHashOf(place: number, hash: Uint8Array, at: number): boolean {
    const start = hashLength * place;
    for (let i = 0; i < hashLength; i++) if (this.#hashes[start + i] !== hash[at + i]) return false;
    return true;
  }

  /** At least half of the places stay free. */
  #reserve(count: number, length: number): void {
    if (length > this.#bytes.length) {
      const before = this.#bytes;
      this.#memory = allocate(Math.max(length, 2 * this.#used));
      this.#bytes = new Uint8Array(this.#memory.buffer);
      this.#bytes.set(before.subarray(0, this.#used));
    }
    if (hashLength * count > this.#hashes.length) {
      const before = this.#hashes;
      this.#hashes = new Uint8Array(hashLength * Math.max(count, 2 * this.size));
      this.#hashes.set(before);
    }
    if (2 * count <= this.#places.length) return;
    this.#places = new Int32Array(2 ** Math.ceil(Math.log2(2 * count))).fill(-1);
    for (let place = 0; place < this.size; place++)
      this.#places[this.#slotOf(this.#hashes, hashLength * place)] = place;
  }
}

/** A state root, which is a hash however short the node under it is. Throws bad-proof for what could be taken for a node. */
export function rootOf(stateRoot: Uint8Array): Uint8Array {
  if (stateRoot.length === hashLength) return stateRoot;
  throw new RelayError('bad-proof', { details: { reason: 'the state root is not of 32 bytes' } });
}

function beginning(hash: Uint8Array, at: number): number {
  const byte = (i: number): number => hash[at + i] ?? 0;
  return (byte(0) << 24) | (byte(1) << 16) | (byte(2) << 8) | byte(3);
}
