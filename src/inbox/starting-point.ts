import type { BlockId, BlockNumber, Chain } from '../chain/index.ts';
import { RelayError } from '../errors/index.ts';
import type { InboxStore } from './inbox-store.ts';

/**
 * The block after which reading begins: the cursor, or where there is none, the one before `from` or the present head.
 * Makes the store the chain's. Throws store-of-another-chain, store-of-newer-version, cursor-not-on-chain where the chain is
 * not the one that was read, and bad-value for a `from` yet to come.
 */
export async function startingPoint(
  chain: Chain,
  store: InboxStore,
  from: BlockNumber | 'head',
  signal: AbortSignal,
): Promise<BlockId> {
  const claim = await store.claimWrites(chain.genesisHash);
  const cursor = await store.cursor();
  if (cursor !== undefined) {
    // The genesis hash does not tell a development chain that was started again from the one before.
    const head = await chain.headAt(cursor.number, signal);
    if (head?.hash !== cursor.hash)
      throw new RelayError('cursor-not-on-chain', { details: { block: cursor.number, hash: cursor.hash } });
    if (claim.length > 0) await store.commit(claim);
    return cursor;
  }
  const present = await chain.finalizedHead(signal);
  // The genesis block holds no messages.
  const last = from === 'head' ? present : await chain.headAt(Math.max(from - 1, 0), signal);
  if (last === undefined || last.number > present.number)
    throw new RelayError('bad-value', {
      details: { what: 'The first block to read', reason: `the chain is only at block ${present.number}` },
    });
  const { number, hash } = last;
  await store.commit([...claim, store.cursorWrite({ number, hash })]);
  return { number, hash };
}
