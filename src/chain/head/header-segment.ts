import type { Hex } from '../../codec/index.ts';
import type { BlockNumber } from '../block-number.ts';
import { hexDigits } from '../storage/fast-hex.ts';
import type { BlockId, Head } from './head.ts';
import { entryLength } from './header-links.ts';

const hashLength = 32;

/** Consecutive blocks, the last of which is trusted, each the parent of the next by its hash. */
export class HeaderSegment {
  readonly first: BlockNumber;
  readonly last: BlockId;
  /** Of the first block. */
  readonly parentHash: Hex;
  readonly #entries: Uint8Array;

  /** `entries`: hash and state root of each. */
  constructor(first: BlockNumber, last: BlockId, parentHash: Hex, entries: Uint8Array) {
    this.first = first;
    this.last = last;
    this.parentHash = parentHash;
    this.#entries = entries;
  }

  hash(number: BlockNumber): Hex {
    return this.#part(number, 0);
  }

  stateRoot(number: BlockNumber): Hex {
    return this.#part(number, hashLength);
  }

  /** A view of what is held of all of them. */
  stateRootBytes(number: BlockNumber): Uint8Array {
    const at = this.#placeOf(number) + hashLength;
    return this.#entries.subarray(at, at + hashLength);
  }

  /** All of them, oldest first. */
  *heads(): Generator<Head> {
    let { parentHash } = this;
    for (let number = this.first; number <= this.last.number; number++) {
      const hash = this.hash(number);
      yield { number, hash, parentHash, stateRoot: this.stateRoot(number) };
      parentHash = hash;
    }
  }

  #part(number: BlockNumber, offset: number): Hex {
    const at = this.#placeOf(number) + offset;
    return `0x${hexDigits(this.#entries, at, at + hashLength)}`;
  }

  #placeOf(number: BlockNumber): number {
    return (number - this.first) * entryLength;
  }
}
