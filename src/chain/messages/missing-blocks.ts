import type { Hex } from '../../codec/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { BlockId } from '../head/head.ts';
import type { Piece } from './frames.ts';
import type { MessageSpan } from './messages.ts';
import type { DiscardedState } from './outbound-value.ts';

/** A span as it is read. */
export interface ReadSpan {
  readonly span: MessageSpan;
  /** Who listed its last block; undefined where that leads to what was told of. */
  readonly url: string | undefined;
}

/** Lists the blocks that follow one. */
export type PiecesAfter = (block: BlockId) => AsyncIterable<Piece>;

interface Run {
  /** The last block before it. */
  readonly before: BlockId;
  /** What nodes say of the first one. */
  readonly reason: string;
  /** As of a {@link ReadSpan}. */
  url: string | undefined;
}

/** How far a stream came, and the blocks in a row that it is among of which no node has the state: told once all are known. */
export class MissingBlocks {
  #last: BlockId;
  #run: Run | undefined;

  constructor(after: BlockId) {
    this.#last = after;
  }

  /** The last block that it came by, missing or not. */
  get last(): BlockId {
    return this.#last;
  }

  /** The blocks up to this one are there. */
  passed(through: BlockId): void {
    this.#last = through;
  }

  /** The next block is missing. */
  add({ block, error }: DiscardedState, url: string | undefined): void {
    this.#run ??= { before: this.#last, reason: String(error.details?.['reason'] ?? ''), url };
    this.#run.url = url;
    const { number, hash } = block;
    this.#last = { number, hash };
  }

  /** Those up to the last block, which end with it; undefined where that one is there. */
  take(piecesAfter: PiecesAfter): ReadSpan | undefined {
    if (this.#run === undefined) return undefined;
    const { before, reason, url } = this.#run;
    this.#run = undefined;
    const hashAt = hashesAfter(before, piecesAfter);
    return { span: { type: 'missing', first: before.number + 1, through: this.#last, reason, hashAt }, url };
  }
}

/** Gives hashes of later blocks by their numbers. Cheapest where it is asked in their order. */
function hashesAfter(before: BlockId, piecesAfter: PiecesAfter): (number: BlockNumber) => Promise<Hex | undefined> {
  let known: Piece | undefined;
  return async (number) => {
    if (number <= before.number) return undefined;
    if (known === undefined || number < known.first || number > known.last.number) {
      known = undefined;
      for await (const piece of piecesAfter(before))
        if (number <= piece.last.number) {
          known = piece;
          break;
        }
    }
    return known?.anchorsOf(number, 1)[0]?.hash;
  };
}
