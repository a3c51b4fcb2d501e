import type { Hex } from '../../codec/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { BlockId } from '../head/head.ts';
import type { Piece } from './frames.ts';
import type { MessageSpan } from './messages.ts';

type Pieces = () => AsyncIterable<Piece>;
type MissingSpan = Extract<MessageSpan, { type: 'missing' }>;

/** Of the blocks that a stream comes by, in order, those without a state: one gap until there is one with a state. */
export class MissingBlocks {
  readonly #pieces: Pieces;
  /** The last one come by. */
  #last: BlockId;
  #passedOver: BlockId;
  #first: BlockNumber | undefined;
  #reason = '';

  /** `pieces` are those after the block `after`. */
  constructor(after: BlockId, pieces: Pieces) {
    this.#pieces = pieces;
    this.#last = after;
    this.#passedOver = after;
  }

  /** Nothing up to this block is to be read any more; what is under way is used where it comes. */
  get passedOver(): BlockNumber {
    return this.#passedOver.number;
  }

  passOver(through: BlockId): void {
    if (through.number > this.#passedOver.number) this.#passedOver = through;
  }

  /** Blocks up to this one have no state. */
  add(through: BlockId, reason: string): void {
    this.#reason = reason;
    this.#first ??= this.#last.number + 1;
    this.#last = through;
  }

  /** Blocks that are there, from `first` on: gives the gap before them. */
  came(first: BlockNumber, through: BlockId): MissingSpan | undefined {
    if (first > this.#last.number + 1) this.add(this.#passedOver, this.#reason);
    const gap = this.#take();
    this.#last = through;
    return gap;
  }

  /** There are no more: gives the gap that they end with. */
  end(): MissingSpan | undefined {
    if (this.#passedOver.number > this.#last.number) this.add(this.#passedOver, this.#reason);
    return this.#take();
  }

  #take(): MissingSpan | undefined {
    const first = this.#first;
    if (first === undefined) return undefined;
    this.#first = undefined;
    const through = this.#last;
    const hashAt = hashesIn(first, through.number, this.#pieces);
    return { type: 'missing', first, through, reason: this.#reason, hashAt };
  }
}

/**
 * The last block of a run without a state, of which `known` is one. Nodes forget the oldest blocks first, so halving finds
 * it within a piece.
 */
export async function lastWithout(
  known: BlockId,
  pieces: AsyncIterable<Piece>,
  hasState: (block: BlockId) => Promise<boolean>,
): Promise<BlockId> {
  let missing = known;
  for await (const piece of pieces) {
    if (piece.last.number <= missing.number) continue;
    if (!(await hasState(piece.last))) {
      missing = piece.last;
      continue;
    }
    for (let there = piece.last.number; there - missing.number > 1;) {
      const number = (missing.number + there) >> 1;
      const [block] = piece.anchorsOf(number, 1);
      if (block === undefined || (await hasState(block))) there = number;
      else missing = block;
    }
    break;
  }
  return { number: missing.number, hash: missing.hash };
}

/** Gives hashes of the blocks from `first` to `last` by their numbers. Cheapest where it is asked in their order. */
function hashesIn(
  first: BlockNumber,
  last: BlockNumber,
  pieces: Pieces,
): (number: BlockNumber) => Promise<Hex | undefined> {
  let known: Piece | undefined;
  return async (number) => {
    if (number < first || number > last) return undefined;
    if (known === undefined || number < known.first || number > known.last.number) {
      known = undefined;
      for await (const piece of pieces())
        if (number <= piece.last.number) {
          known = piece;
          break;
        }
    }
    return known?.anchorsOf(number, 1)[0]?.hash;
  };
}
