import type { BlockId } from '../chain/index.ts';
import { BestBranch } from './best-branch.ts';
import { followFinalized, type FollowParts } from './follow-finalized.ts';

/**
 * Catches up to the finalized head, then takes every best block, with what reorgs take back and what is finalized,
 * until the signal. Throws what the chain throws, and blocks-missing.
 */
export async function followBest(parts: FollowParts, cursor: BlockId, signal: AbortSignal): Promise<void> {
  const { chain, ledger, options, markReady } = parts;
  const { number: finalized } = await chain.finalizedHead(signal);
  const start = await followFinalized({ ...parts, markReady: () => undefined }, cursor, signal, finalized);
  const { number: present } = await chain.bestHead(signal);
  if (start.number >= present) markReady();
  const branch = new BestBranch();
  const settleUpTo = async (): Promise<void> => {
    const head = branch.settled();
    if (head !== undefined) await ledger.settle(head);
  };
  const leaving = new AbortController();
  const all = AbortSignal.any([signal, leaving.signal]);
  const takeBest = async (): Promise<void> => {
    for await (const { type, head } of chain.headEvents({ finality: 'best', from: start.number + 1 }, all)) {
      if (type === 'retracted') {
        branch.remove(head);
        await ledger.retract(head);
      } else {
        await ledger.takeEarly(head, await chain.messages.at(head, options, all));
        branch.add(head);
        if (head.number >= present) markReady();
      }
      await settleUpTo();
    }
  };
  const takeFinalized = async (): Promise<void> => {
    for await (const { head } of chain.headEvents({ finality: 'finalized', agreed: options.verify !== false }, all)) {
      branch.finalize(head);
      await settleUpTo();
    }
  };
  try {
    await Promise.race([takeBest(), takeFinalized()]);
  } finally {
    leaving.abort();
  }
}
