import { RelayError } from '../../errors/index.ts';
import { keepShape } from '../keep-shape.ts';
import { HashedNodes, loadProofsModule, type ProofsModule } from './proofs-module.ts';
import { decodeTrieNode, type TrieNode } from './trie-node.ts';

const hashLength = 32;

/** blake2_256 in WASM: some ten times as fast as in JavaScript. */
export interface Hash256 {
  binary(bytes: Uint8Array): Uint8Array;
}

let loading: Promise<ProofsModule> | undefined;

/** Once a process. Throws wasm-refused. */
export function loadHash256(): Promise<ProofsModule> {
  loading ??= loadShaped();
  return loading;
}

async function loadShaped(): Promise<ProofsModule> {
  const hash = await loadProofsModule();
  keepShape(new ProofNodes(hash));
  return hash;
}

/** Found, or what is missing to know: undefined. */
export interface Known<T> {
  readonly is: T;
}

/** A proof as a node gave it, or what was made of its text already. */
export type Proof = readonly unknown[] | HashedNodes;

const encoder = new TextEncoder();
const hexText = /^0x(?:[0-9a-f]{2})*$/i;
const none = new Uint8Array(0);

/**
 * Nodes and values of a proof by their own hash, so that what is found under a hash is what was hashed: a node's answer
 * can leave something out, but not put something else in its place. They stand one behind the other, their hashes too: an
 * object for each would keep the garbage collector as busy as all the rest.
 */
export class ProofNodes {
  readonly hash: ProofsModule;
  #bytes: Uint8Array = none;
  #used = 0;
  #hashes: Uint8Array = none;
  #ends: Uint32Array = new Uint32Array(0);
  #count = 0;
  #size = 0;
  /** Where a node is in the lists, by the beginning of its hash; -1: free. A place that is taken sends on to the next. */
  #places = new Int32Array(2 ** 4).fill(-1);

  /** By place. */
  #decoded: (Known<TrieNode | undefined> | undefined)[] = [];

  constructor(hash: ProofsModule) {
    this.hash = hash;
  }

  /** Different ones. */
  get size(): number {
    return this.#size;
  }

  /** Throws bad-proof where something in the list is no hex; bad-value where there is no memory for one of its nodes. */
  add(proof: Proof): void {
    if (proof instanceof HashedNodes) this.#addHashed(proof);
    else this.#addListed(proof);
  }

  /** A list that is too long for the memory of the module comes in parts: that is no fault of who gave it. */
  #addListed(list: readonly unknown[]): void {
    const nodes = this.hash.nodesIn(encoder.encode(JSON.stringify(list)));
    if (nodes !== undefined) this.#addHashed(nodes);
    else if (list.length > 1) {
      const half = list.length >> 1;
      this.#addListed(list.slice(0, half));
      this.#addListed(list.slice(half));
    } else {
      const [node] = list;
      if (typeof node !== 'string' || !hexText.test(node))
        throw new RelayError('bad-proof', { details: { reason: 'it is not a list of hex' } });
      const reason = `there is no memory for its ${node.length / 2 - 1} bytes`;
      throw new RelayError('bad-value', { details: { what: 'A node of a proof', reason } });
    }
  }

  #addHashed(nodes: HashedNodes): void {
    const first = this.#count;
    this.#append(nodes);
    this.#reservePlaces();
    for (let place = first; place < this.#count; place++) this.#index(place);
  }

  /**
   * The node with the Merkle value between two places; undefined where it is not in the proof. It is decoded once: ways to
   * several keys begin alike. Throws bad-proof.
   */
  node(bytes: Uint8Array, start = 0, end = bytes.length): Known<TrieNode | undefined> | undefined {
    // A node of fewer bytes than a hash stands in its parent itself.
    if (end - start < hashLength) return { is: decodeTrieNode(bytes, start, end) };
    const place = this.#find(bytes, start);
    return place === -1 ? undefined : (this.#decoded[place] ??= this.#decode(place));
  }

  /** As {@link node}, for a walk that comes by once. */
  nodeAt(bytes: Uint8Array, start: number, end: number): Known<TrieNode | undefined> | undefined {
    if (end - start < hashLength) return { is: decodeTrieNode(bytes, start, end) };
    const place = this.#find(bytes, start);
    return place === -1 ? undefined : this.#decode(place);
  }

  /** Of a node that has one; undefined where it is not in the proof. */
  valueOf({ bytes, isValueHashed, valueStart, valueEnd }: TrieNode): Uint8Array | undefined {
    if (!isValueHashed) return bytes.subarray(valueStart, valueEnd);
    const place = this.#find(bytes, valueStart);
    return place === -1 ? undefined : this.#bytes.subarray(this.#start(place), this.#ends[place]);
  }

  #decode(place: number): Known<TrieNode | undefined> {
    return { is: decodeTrieNode(this.#bytes, this.#start(place), this.#ends[place]) };
  }

  #start(place: number): number {
    return place === 0 ? 0 : (this.#ends[place - 1] ?? 0);
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

  #append({ bytes, hashes, ends }: HashedNodes): void {
    if (this.#count === 0) {
      this.#bytes = bytes;
      this.#hashes = hashes;
      this.#ends = ends;
    } else {
      this.#bytes = withRoom(this.#bytes, this.#used, bytes.length);
      this.#bytes.set(bytes, this.#used);
      this.#hashes = withRoom(this.#hashes, hashLength * this.#count, hashes.length);
      this.#hashes.set(hashes, hashLength * this.#count);
      const all = new Uint32Array(this.#count + ends.length);
      all.set(this.#ends);
      for (let i = 0; i < ends.length; i++) all[this.#count + i] = this.#used + (ends[i] ?? 0);
      this.#ends = all;
    }
    this.#count += ends.length;
    this.#used += bytes.length;
  }

  /** What two windows of a proof both hold is found once. */
  #index(place: number): void {
    const slot = this.#slotOf(this.#hashes, hashLength * place);
    if (this.#places[slot] !== -1) return;
    this.#places[slot] = place;
    this.#size += 1;
  }

  /** At least half of the places stay free. */
  #reservePlaces(): void {
    if (2 * this.#count <= this.#places.length) return;
    this.#places = new Int32Array(2 ** Math.ceil(Math.log2(2 * this.#count))).fill(-1);
    this.#size = 0;
    for (let place = 0; place < this.#count; place++) this.#index(place);
  }
}

/** The same bytes, or a copy of those in use with room for more behind them. */
function withRoom(bytes: Uint8Array, used: number, more: number): Uint8Array {
  if (used + more <= bytes.length) return bytes;
  const larger = new Uint8Array(Math.max(used + more, 2 * used));
  larger.set(bytes.subarray(0, used));
  return larger;
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
