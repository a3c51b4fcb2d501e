import type { Hex } from '../../codec/index.ts';
import type { BlockNumber } from '../block-number.ts';

export interface Head {
  readonly number: BlockNumber;
  readonly hash: Hex;
  readonly parentHash: Hex;
  readonly stateRoot: Hex;
}

/** finalized: what consensus will not take back. best: the newest block, which a reorg may retract. */
export type Finality = 'finalized' | 'best';

/**
 * `retracted` comes newest first, before the heads of the new branch: of best ones, and of finalized ones that a single node
 * made up, where its word was taken (not with `agreed`).
 */
export interface HeadEvent {
  readonly type: 'head' | 'retracted';
  readonly head: Head;
}

export interface HeadsOptions {
  /** Default finalized. */
  readonly finality?: Finality;
  /** First block wanted. Default: the present head. */
  readonly from?: BlockNumber;
  /**
   * The last block that was seen, instead of `from`: heads go on behind it. Where a reorg took it, best heads begin with
   * `retracted` for it and those before it that went too; finalized ones throw chain-forked. Throws state-discarded where
   * no endpoint knows it any more.
   */
  readonly after?: Pick<Head, 'number' | 'hash'>;
  /**
   * Only finalized blocks that `quorum` endpoints agree on, each linked to the next by its hash; without effect on best
   * ones. Where the endpoints do not agree within the connection's `timeoutMs` on a first one it throws no-quorum; later
   * it waits for them. Throws endpoints-disagree where no answer can settle it. Default false.
   */
  readonly agreed?: boolean;
}

/** A block by number and hash. */
export type BlockId = Pick<Head, 'number' | 'hash'>;
