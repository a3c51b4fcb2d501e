import type { BlockNumber, Chain, Head } from '../chain/index.ts';
import { RelayError } from '../errors/index.ts';
import type { ChainSink } from './chain-sink.ts';
import { finalizedBlocks } from './finalized-blocks.ts';

/**
 * Gives the sink every finalized block after `cursor`, at its speed, until the signal. Throws what the chain throws, and
 * cursor-not-on-chain.
 */
export async function followFinalized(
  chain: Chain,
  cursor: BlockNumber,
  sink: ChainSink,
  signal: AbortSignal,
): Promise<void> {
  const { number: present } = await chain.finalizedHead(signal);
  const failed = new AbortController();
  const ended = AbortSignal.any([signal, failed.signal]);
  let highest = present;
  let onAdvance = (): void => undefined;
  const heads = chain.heads$({ finality: 'finalized' }).subscribe({
    next: ({ head }) => {
      highest = Math.max(highest, head.number);
      onAdvance();
    },
    error: (error: unknown) => {
      failed.abort(error);
    },
  });
  ended.addEventListener('abort', () => {
    onAdvance();
  });
  const advanced = (beyond: BlockNumber): Promise<void> =>
    new Promise((resolve) => {
      onAdvance = () => {
        if (highest > beyond || ended.aborted) resolve();
      };
      onAdvance();
    });
  try {
    if (cursor >= present) sink.markReady();
    let last: Head | undefined;
    for await (const { head, messages } of finalizedBlocks(chain, cursor + 1, () => highest, advanced, ended)) {
      // A development chain that was started again under a running listener has the same genesis and other blocks.
      if (last !== undefined && head.parentHash !== last.hash)
        throw new RelayError('cursor-not-on-chain', { details: { block: last.number, hash: last.hash } });
      last = head;
      await sink.takeBlock(head, messages, true);
      if (head.number >= present) sink.markReady();
    }
    failed.signal.throwIfAborted();
  } finally {
    heads.unsubscribe();
  }
}
