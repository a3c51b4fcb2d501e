import type { BlockNumber, Chain } from '../chain/index.ts';
import { RelayError } from '../errors/index.ts';
import type { InboxStore } from './inbox-store.ts';

/**
 * The block after which reading begins: the cursor, or where there is none, the one before `from` or the present head.
 * Throws cursor-not-on-chain where the chain is not the one that was read, and bad-value for a `from` yet to come.
 */
export async function startingPoint(
  chain: Chain,
  store: InboxStore,
  from: BlockNumber | undefined,
  signal: AbortSignal,
): Promise<BlockNumber> {
  const cursor = await store.cursor();
  if (cursor !== undefined) {
    // The genesis hash does not tell a development chain that was started again from the one before.
    const head = await chain.headAt(cursor.number, signal);
    if (head?.hash !== cursor.hash)
      throw new RelayError('cursor-not-on-chain', { details: { block: cursor.number, hash: cursor.hash } });
    return cursor.number;
  }
  const present = await chain.finalizedHead(signal);
  if (from === 0) return -1;
  const last = from === undefined ? present : await chain.headAt(from - 1, signal);
  if (last === undefined)
    throw new RelayError('bad-value', {
      details: { what: 'The first block to read', reason: `the chain is only at block ${present.number}` },
    });
  await store.commit([store.cursorWrite(last)]);
  return last.number;
}
