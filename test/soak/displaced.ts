import type { Hex } from '../../src/codec/index.ts';
import type { SenderEntry } from './ledger.ts';

/** What a sender wrote down, and whether a reorg may put its messages behind later ones. */
export interface AccountUse {
  readonly entries: readonly SenderEntry[];
  /** The sender is an account, of which other programs post as well. Default false. */
  readonly isAccountShared?: boolean;
}

/** Hashes of finalized blocks. */
export type FinalBlocks = ReadonlyMap<number, Hex>;

type InBlock = Extract<SenderEntry, { readonly event: 'in-block' }>;

/**
 * What an account was told to be in a block that a reorg took. Where another program of the account came by the nonce of its
 * extrinsic, what was posted behind it is before it (docs/outbox.md, Limits).
 */
export function displaced({ entries, isAccountShared = false }: AccountUse, finalBlocks: FinalBlocks): InBlock[] {
  const isGone = ({ block, hash }: InBlock): boolean => (finalBlocks.get(block) ?? hash) !== hash;
  return isAccountShared ? (entries.filter((entry) => entry.event === 'in-block' && isGone(entry)) as InBlock[]) : [];
}
