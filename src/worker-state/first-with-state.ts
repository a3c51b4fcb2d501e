import { oldestWhere, type BlockNumber, type Chain, type Head } from '../chain/index.ts';
import { isRelayError } from '../errors/index.ts';

/** Blocks that are rather tried one by one. */
const few = 4;

/**
 * The first block above one whose state is gone that an endpoint has the state of, after some reads, however many are gone.
 * Blocks are asked for as a node gives them by number, which is good enough to know where to read on. The next one, where
 * no endpoint has the state of the newest: it may have been made up.
 */
export async function firstWithState(
  chain: Pick<Chain, 'at' | 'headAt'>,
  gone: Head,
  newest: () => Promise<Head>,
  signal: AbortSignal,
): Promise<BlockNumber> {
  const next = gone.number + 1;
  const last = await unlessGone(newest);
  if (last === undefined || last.number - next < few) return next;
  const hasState = async (head: Head): Promise<true> => {
    await chain.at(head.hash).gatekeepers(signal);
    return true;
  };
  if ((await unlessGone(() => hasState(last))) !== true) return next;
  // Of one that the node in use is too far behind to have it is not known that it is gone.
  const mayHaveState = async (number: BlockNumber): Promise<boolean> => {
    const head = await chain.headAt(number, signal);
    return head === undefined || hasState(head);
  };
  return oldestWhere(next, last.number, async (number) => (await unlessGone(() => mayHaveState(number))) === true);
}

async function unlessGone<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!isRelayError(error, 'state-discarded')) throw error;
    return undefined;
  }
}
