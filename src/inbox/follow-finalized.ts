import type { BlockId, Chain, MessagesOptions } from '../chain/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Ledger } from './ledger.ts';

/** What to do about blocks of which no endpoint has the state any more. */
export type GapPolicy = 'stop' | 'skip';

export interface FollowParts {
  readonly chain: Chain;
  readonly ledger: Ledger;
  readonly options: MessagesOptions;
  readonly onGap: GapPolicy;
  /** Nothing sent from now on is missed. May be called again. */
  readonly markReady: () => void;
}

/** Blocks without a message for us after which the cursor is written all the same, while there are many to catch up. */
const quietBlocks = 1_024;

/**
 * Takes every finalized block after `cursor`, at the speed of the store, until the signal or until `until` was taken.
 * Gives the last one taken. Throws what the chain throws, and blocks-missing.
 */
export async function followFinalized(
  { chain, ledger, options, onGap, markReady }: FollowParts,
  cursor: BlockId,
  signal: AbortSignal,
  until = Infinity,
): Promise<BlockId> {
  let last = cursor;
  const { number: present } = await chain.finalizedHead(signal);
  if (last.number >= present) markReady();
  if (last.number >= until) return last;
  let written = cursor.number;
  for await (const span of chain.messages.follow(cursor, options, signal)) {
    if (span.type === 'blocks') {
      const { number } = span.through;
      // What a crash cuts off is read again: not every empty span of a backlog is worth a transaction.
      const isQuiet = span.messages.length === 0 && number < Math.min(present, until) && number - written < quietBlocks;
      if (!isQuiet) {
        await ledger.takeFinal(span.messages, span.through);
        written = number;
      }
    } else {
      const { first, through, reason } = span;
      if (onGap === 'stop')
        throw new RelayError('blocks-missing', { details: { first, last: through.number, reason } });
      await ledger.passOver(first, through);
    }
    last = span.through;
    if (last.number >= present) markReady();
    if (last.number >= until) return last;
  }
  return last;
}
