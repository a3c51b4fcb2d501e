import { concatMap, Subscription } from 'rxjs';
import type { BlockNumber, Chain, HeadEvent } from '../chain/index.ts';
import type { ChainSink } from './chain-sink.ts';

/**
 * Gives the sink every best block after `cursor`, with what reorgs take back and what is finalized, until the signal.
 * Throws what the chain throws.
 */
export async function followBest(
  chain: Chain,
  cursor: BlockNumber,
  sink: ChainSink,
  signal: AbortSignal,
): Promise<void> {
  const { number: present } = await chain.bestHead(signal);
  if (cursor >= present) sink.markReady();
  const follow = async ({ type, head }: HeadEvent): Promise<void> => {
    if (type === 'retracted') return sink.retract(head.hash);
    await sink.takeBlock(head, await chain.at(head.hash).outboundMessages(signal), false);
    if (head.number >= present) sink.markReady();
  };
  const best$ = chain.heads$({ finality: 'best', from: cursor + 1 }).pipe(concatMap(follow));
  const finalized$ = chain.heads$({ finality: 'finalized' }).pipe(concatMap(({ head }) => sink.finalize(head)));
  const subscriptions = new Subscription();
  try {
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => {
        resolve();
      });
      for (const stream$ of [best$, finalized$]) subscriptions.add(stream$.subscribe({ error: reject }));
    });
  } finally {
    subscriptions.unsubscribe();
  }
}
