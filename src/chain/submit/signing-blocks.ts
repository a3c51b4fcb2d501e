import { RelayError } from '../../errors/index.ts';
import { descendsFrom } from '../head/descends-from.ts';
import type { HeadReader } from '../head/head-reader.ts';
import type { BlockId, Head } from '../head/head.ts';
import { deepBlocks } from './settled-number.ts';

/** By which an extrinsic is signed. */
export interface SigningBlocks {
  /** Where its era begins: the newest finalized block, or one deep below the best where finality lags or never comes. */
  readonly anchor: Head;
  /** Of whose runtime it is. */
  readonly best: Head;
}

/**
 * Blocks of the node in use; `after`: the anchor has that block on its branch. Throws chain-forked where a reorg took that,
 * node-behind where the node is not so far yet.
 */
export async function signingBlocks(
  heads: HeadReader,
  after: BlockId | undefined,
  signal: AbortSignal | undefined,
): Promise<SigningBlocks> {
  const [finalized, best] = await Promise.all([heads.finalized({ signal }), heads.best({ signal })]);
  const deep = best.number - deepBlocks;
  const anchor = deep <= finalized.number ? finalized : ((await heads.at(deep, { signal })) ?? finalized);
  if (after === undefined) return { anchor, best };
  const isAnchorBehind = anchor.number >= after.number;
  // Where the anchor lacks that block, what is built on the anchor lacks it too.
  const newest = isAnchorBehind ? anchor : best;
  const isKnown = newest.number >= after.number;
  if (isKnown && !(await descendsFrom(newest, after, (hash) => heads.byHash(hash, { signal }))))
    throw new RelayError('chain-forked', { details: { block: newest.number, found: newest.hash, seen: after.hash } });
  if (isAnchorBehind) return { anchor, best };
  throw new RelayError('node-behind', { details: { block: after.number, anchor: anchor.number } });
}
