import type { Hex } from '../../codec/hex.ts';
import { RelayError } from '../../errors/index.ts';
import type { BlockRef, DevBlock } from './block.ts';

/** States kept at most: as many as tests and a session of work look back, few enough for a chain that runs for days. */
const keptStates = 4_096;

/** What a new head did to the best chain. */
export interface HeadChange {
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
  /** Blocks in the order of their arrival that still have a state. */
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

  /** Adds a child of the head as the new head. */
  append(block: DevBlock): HeadChange {
    this.#byHash.set(block.hash, block);
    this.#withState.push(block);
    if (this.#withState.length > keptStates) this.#drop(this.#withState.shift());
    return this.setHead(block);
  }

  /** Makes any known block the head: an ancestor, or one of another fork. Throws dev-reorg-refused. */
  setHead(block: DevBlock): HeadChange {
    const enacted: DevBlock[] = [];
    let common = block;
    while (!this.isBest(common)) {
      enacted.unshift(common);
      common = this.find(common.header.parentHash);
    }
    if (common.number < this.#finalized.number) {
      throw new RelayError('dev-reorg-refused', {
        details: { block: block.number, finalized: this.#finalized.number },
      });
    }
    const retracted = this.#best.splice(common.number + 1, Infinity, ...enacted).reverse();
    return { retracted, enacted, finalized: this.#finalize() };
  }

  /** Drops the states of all blocks below `number`, whatever their fork; the head keeps its own. */
  pruneBefore(number: number): void {
    for (const block of this.#withState) if (block.number < number) this.#drop(block);
    const kept = this.#withState.filter((block) => block.state !== undefined);
    this.#withState.splice(0, this.#withState.length, ...kept);
  }

  #finalize(): DevBlock[] {
    const target = Math.max(0, this.head.number - this.#finalityLag);
    const blocks = this.#best.slice(this.#finalized.number + 1, target + 1);
    this.#finalized = blocks.at(-1) ?? this.#finalized;
    return blocks;
  }

  #drop(block: DevBlock | undefined): void {
    if (block !== undefined && block !== this.head) block.state = undefined;
  }
}
