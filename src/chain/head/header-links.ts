import { fromHex, type Hex } from '../../codec/index.ts';
import { hexDigits } from '../storage/fast-hex.ts';
import type { Header } from './header.ts';

const hashLength = 32;
/** Of a header: its hash, then its state root. */
export const entryLength = 2 * hashLength;

/** 32 bytes at a place of some. */
export interface HashAt {
  readonly bytes: Uint8Array;
  readonly at: number;
}

/** What links headers that follow one another, by their place among them. Of those that were not put nothing is known. */
export class HeaderLinks {
  /** Hash and state root of each. */
  readonly entries: Uint8Array;
  readonly #parents: Uint8Array;
  readonly #isKnown: Uint8Array;

  constructor(count: number) {
    this.entries = new Uint8Array(count * entryLength);
    this.#parents = new Uint8Array(count * hashLength);
    this.#isKnown = new Uint8Array(count);
  }

  has(place: number): boolean {
    return this.#isKnown[place] === 1;
  }

  /** Of the first so many nothing is known any more. */
  forget(count: number): void {
    this.#isKnown.fill(0, 0, count);
  }

  put(place: number, hash: HashAt, parentHash: HashAt, stateRoot: HashAt): void {
    copyHash(hash, this.entries, place * entryLength);
    copyHash(stateRoot, this.entries, place * entryLength + hashLength);
    copyHash(parentHash, this.#parents, place * hashLength);
    this.#isKnown[place] = 1;
  }

  /** A header that hashes to `hash`. */
  putHeader(place: number, hash: Hex, { parentHash, stateRoot }: Header): void {
    this.put(place, inMemory(hash), inMemory(parentHash), inMemory(stateRoot));
  }

  /** The parent's hash, which is `likely` as it is where the header before has that and is the parent: a text for each costs more. */
  parentHash(place: number, likely: Hex | undefined): Hex {
    const at = place * hashLength;
    const isLikely = likely !== undefined && this.has(place - 1) && this.#isAt(at, (place - 1) * entryLength);
    return isLikely ? likely : `0x${hexDigits(this.#parents, at, at + hashLength)}`;
  }

  #isAt(parentAt: number, entryAt: number): boolean {
    for (let i = 0; i < hashLength; i++) if (this.#parents[parentAt + i] !== this.entries[entryAt + i]) return false;
    return true;
  }
}

function inMemory(hash: Hex): HashAt {
  return { bytes: fromHex(hash), at: 0 };
}

/** A view for each would take longer. */
function copyHash({ bytes, at }: HashAt, target: Uint8Array, to: number): void {
  for (let i = 0; i < hashLength; i++) target[to + i] = bytes[at + i] ?? 0;
}
