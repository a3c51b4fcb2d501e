import type { BlockNumber, Chain, Head } from '../chain/index.ts';
import { equalBytes } from '../codec/index.ts';

/** The block among `from` to the best head that carries this very envelope; undefined where none does. */
export async function findPosted(
  chain: Chain,
  envelope: Uint8Array,
  from: BlockNumber,
  signal: AbortSignal,
): Promise<Head | undefined> {
  const best = await chain.bestHead(signal);
  for (let number = from; number <= best.number; number++) {
    const head = await chain.headAt(number, signal);
    if (head === undefined) return undefined;
    const messages = await chain.at(head.hash).outboundMessages(signal);
    if (messages.some(({ payload }) => equalBytes(payload, envelope))) return head;
  }
  return undefined;
}
