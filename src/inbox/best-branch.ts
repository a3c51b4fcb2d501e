import type { BlockId, BlockNumber } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';

/** The best blocks that were taken and are not final yet, and which of them a finalized head settles. */
export class BestBranch {
  readonly #hashes = new Map<BlockNumber, Hex>();
  #finalized: BlockId | undefined;

  add({ number, hash }: BlockId): void {
    this.#hashes.set(number, hash);
  }

  remove({ number, hash }: BlockId): void {
    if (this.#hashes.get(number) === hash) this.#hashes.delete(number);
  }

  finalize({ number, hash }: BlockId): void {
    if (number > (this.#finalized?.number ?? -1)) this.#finalized = { number, hash };
  }

  /** A finalized head was made up by who told of it: the one that is waited for is lower. */
  unfinalize({ number }: BlockId): void {
    if (this.#finalized !== undefined && this.#finalized.number >= number) this.#finalized = undefined;
  }

  /**
   * The finalized head, once the branch leads through it: all below it is final then. The two are told of apart, and
   * either may be ahead of the other.
   */
  settled(): BlockId | undefined {
    const head = this.#finalized;
    if (head === undefined || this.#hashes.get(head.number) !== head.hash) return undefined;
    for (const number of this.#hashes.keys()) if (number <= head.number) this.#hashes.delete(number);
    this.#finalized = undefined;
    return head;
  }
}
