import type { BlockId } from '../head/head.ts';
import type { RelayError } from '../../errors/index.ts';
import type { ForkWitness } from '../quorum/fork-witness.ts';

/** Spans whose last blocks are remembered, at most twice as many. */
const remembered = 1_024;

/** The blocks up to which a stream gave what blocks hold. */
export class GivenBlocks {
  /** The one it began after, then the last of each span. */
  readonly #blocks: BlockId[];
  #hasAll = true;
  #last: BlockId;
  #giver = '';

  constructor(after: BlockId) {
    this.#blocks = [after];
    this.#last = after;
  }

  get last(): BlockId {
    return this.#last;
  }

  /** Who told of the last one, or listed it; empty where that is not known. */
  get giver(): string {
    return this.#giver;
  }

  add(through: BlockId, giver: string): void {
    this.#giver = giver;
    this.#last = through;
    this.#blocks.push(through);
    if (this.#blocks.length <= 2 * remembered) return;
    this.#blocks.splice(0, remembered);
    this.#hasAll = false;
  }

  /**
   * Forgets what was made up, of which the last one is; gives the last one that stands. Throws `fork` where that is not
   * remembered, or nothing was given.
   */
  async takeBack(witness: Pick<ForkWitness, 'firstMadeUp'>, fork: RelayError, signal: AbortSignal): Promise<BlockId> {
    const blocks = this.#blocks;
    if (blocks.length === 1) throw fork;
    const places = [1, blocks.length - 1] as const;
    const lowest = await witness.firstMadeUp(places, (place) => blocks[place] ?? this.last, signal);
    if (lowest === 1 && !this.#hasAll) throw fork;
    blocks.splice(lowest);
    this.#last = blocks.at(-1) ?? this.#last;
    this.#giver = '';
    return this.#last;
  }
}
