import type { Hex } from '../../codec/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { BlockId } from '../head/head.ts';
import type { Piece } from './frames.ts';

/**
 * The last block of a run without a state, of which `first` is the first. Nodes forget the oldest blocks first, so halving
 * finds it within a piece.
 */
export async function lastWithout(
  first: BlockId,
  piecesAfter: (block: BlockId) => AsyncIterable<Piece>,
  hasState: (block: BlockId) => Promise<boolean>,
): Promise<BlockId> {
  let missing = first;
  for await (const piece of piecesAfter(first)) {
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

/** Gives hashes of blocks from `first` on by their numbers. Cheapest where it is asked in their order. */
export function hashesFrom(
  first: BlockId,
  piecesAfter: (block: BlockId) => AsyncIterable<Piece>,
): (number: BlockNumber) => Promise<Hex | undefined> {
  let known: Piece | undefined;
  return async (number) => {
    if (number <= first.number) return number === first.number ? first.hash : undefined;
    if (known === undefined || number < known.first || number > known.last.number) {
      known = undefined;
      for await (const piece of piecesAfter(first))
        if (number <= piece.last.number) {
          known = piece;
          break;
        }
    }
    return known?.anchorsOf(number, 1)[0]?.hash;
  };
}
