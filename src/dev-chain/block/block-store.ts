import type { Hex } from '../../codec/hex.ts';
import { RelayError } from '../../errors/index.ts';
import type { BlockRef, DevBlock } from './block.ts';

/** States kept at most: as many as tests and a session of work look back, few enough for a chain that runs for days. */
const keptStates = 4_096;

/** What a new head did to the best chain. */
export interface HeadChange {
  readonly head: DevBlock;
  /** Newest first. */
  readonly retracted: readonly DevBlock[];
  /** Oldest first; the head is the last. Empty where the head only went back. */
  readonly enacted: readonly DevBlock[];
  /** Final from now on, oldest first. */
  readonly finalized: readonly DevBlock[];
}

/** The blocks of all forks, the best chain and the finalized pointer on it. */
export class BlockStore {
  readonly #byHash = new Map<Hex, DevBlock>();
  /** The best chain by number. */
  readonly #best: DevBlock[];
  readonly #finalityLag: number;
  #finalized: DevBlock;
  /** The latest in the order of their arrival: no other has a state. */
  readonly #withState: DevBlock[] = [];

  constructor(genesis: DevBlock, finalityLag: number) {
    this.#finalityLag = finalityLag;
    this.#finalized = genesis;
    this.#best = [genesis];
    this.#byHash.set(genesis.hash, genesis);
    this.#withState.push(genesis);
  }

  get head(): DevBlock {
    return this.#best.at(-1) ?? this.#finalized;
  }

  get finalized(): DevBlock {
    return this.#finalized;
  }

  get genesis(): DevBlock {
    return this.#best[0] ?? this.#finalized;
  }

  byHash(hash: Hex): DevBlock | undefined {
    return this.#byHash.get(hash.toLowerCase() as Hex);
  }

  /** On the best chain. */
  byNumber(number: number): DevBlock | undefined {
    return this.#best[number];
  }

  /** Throws dev-block-unknown. */
  find(block: number | Hex): DevBlock {
    const found = typeof block === 'number' ? this.byNumber(block) : this.byHash(block);
    if (found === undefined) throw new RelayError('dev-block-unknown', { details: { block } });
    return found;
  }

  isBest(block: BlockRef): boolean {
    return this.#best[block.number]?.hash === block.hash;
  }

  /** Adds a child of a known block, the head staying what it is. */
  add(block: DevBlock): void {
    this.#byHash.set(block.hash, block);
    this.#withState.push(block);
    if (this.#withState.length > keptStates) this.#drop(this.#withState.shift());
  }

  /** What becomes of the best chain with that head: a block, or a child of one that is not added yet. Throws dev-reorg-refused. */
  changeTo(head: DevBlock): HeadChange {
    const enacted: DevBlock[] = [];
    let common = head;
    while (!this.isBest(common)) {
      enacted.push(common);
      common = this.find(common.header.parentHash);
    }
    if (common.number < this.#finalized.number) {
      throw new RelayError('dev-reorg-refused', {
        details: { block: head.number, finalized: this.#finalized.number },
      });
    }
    enacted.reverse();
    const finalized: DevBlock[] = [];
    for (let number = this.#finalized.number + 1; number <= head.number - this.#finalityLag; number += 1) {
      const block = number > common.number ? enacted[number - common.number - 1] : this.#best[number];
      if (block !== undefined) finalized.push(block);
    }
    const retracted = this.#best.slice(common.number + 1).reverse();
    return { head, retracted, enacted, finalized };
  }

  /** Does what `changeTo` said. */
  take({ head, enacted, finalized }: HeadChange): void {
    this.#best.length = head.number + 1 - enacted.length;
    for (const block of enacted) this.#best.push(block);
    this.#finalized = finalized.at(-1) ?? this.#finalized;
  }

  /** Stands where a chain stood of which all blocks were added. */
  standAt(head: DevBlock, finalized: DevBlock): void {
    this.take(this.changeTo(head));
    if (finalized.number > this.#finalized.number) this.#finalized = finalized;
    // It was the head while the others came.
    if (this.#withState[0] !== this.genesis) this.#drop(this.genesis);
  }

  /** Drops the states of all blocks below `number`, whatever their fork; the head keeps its own. */
  pruneBefore(number: number): void {
    for (const block of this.#withState) if (block.number < number) this.#drop(block);
  }

  #drop(block: DevBlock | undefined): void {
    if (block !== undefined && block !== this.head) block.state = undefined;
  }
}
