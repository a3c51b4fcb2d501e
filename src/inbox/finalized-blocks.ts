import type { BlockNumber, Chain, Head, OutboundMessage } from '../chain/index.ts';

const readsAhead = 16;

export interface BlockMessages {
  readonly head: Head;
  readonly messages: readonly OutboundMessage[];
}

/**
 * The messages of every finalized block from `from` on, in order, for ever: at most 16 blocks are read ahead, so that
 * a slow consumer slows the reading. `advanced` resolves when there may be more.
 */
export async function* finalizedBlocks(
  chain: Chain,
  from: BlockNumber,
  highest: () => BlockNumber,
  advanced: (beyond: BlockNumber) => Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<BlockMessages> {
  const reads: Promise<BlockMessages | undefined>[] = [];
  let next = from;
  for (let block = from; !signal.aborted; block++) {
    if (block > highest()) await advanced(block - 1);
    while (next <= highest() && reads.length < readsAhead) {
      const read = readBlock(chain, next++, signal);
      read.catch(() => undefined); // awaited in its turn
      reads.push(read);
    }
    const found = await reads.shift();
    if (found === undefined) return;
    yield found;
  }
}

async function readBlock(chain: Chain, number: BlockNumber, signal: AbortSignal): Promise<BlockMessages | undefined> {
  const head = await chain.headAt(number, signal);
  if (head === undefined) return undefined;
  return { head, messages: await chain.at(head.hash).outboundMessages(signal) };
}
