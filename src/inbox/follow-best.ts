import { systemClock, type BlockId } from '../chain/index.ts';
import { isRelayError, RelayError } from '../errors/index.ts';
import { LinkedAbort } from '../signals/index.ts';
import { BestBranch } from './best-branch.ts';
import { followFinalized, type FollowParts } from './follow-finalized.ts';
import { againMs, reached } from './reached.ts';
import { newestFinal } from './starting-point.ts';

/** Walks in a row that came to nothing, after which it is given up. */
const mostWalks = 30;

/**
 * Catches up to the finalized head, then takes every best block, with what reorgs take back and what is finalized,
 * until the signal. Throws what the chain throws, and blocks-missing.
 */
export async function followBest(parts: FollowParts, cursor: BlockId, signal: AbortSignal): Promise<void> {
  let furthest = 0;
  for (let settled = cursor, fruitless = 0; ;) {
    const { number: finalized } = await reached(() => newestFinal(parts.chain, parts.options.verify, signal), signal);
    const before = settled;
    const start = await followFinalized({ ...parts, markReady: () => undefined }, settled, signal, finalized);
    settled = start;
    try {
      await takeEarly(parts, start, signal, {
        onTaken: ({ number }) => {
          // Each walk begins with what was taken before.
          if (number > furthest) fruitless = 0;
          furthest = Math.max(furthest, number);
        },
        onSettled: (head) => {
          settled = head;
        },
      });
    } catch (error) {
      if (isRelayError(error, 'cursor-not-on-chain') && before.number < start.number) {
        await parts.ledger.takeFinal([], before, { before: Promise.resolve(), moreFollow: true });
        settled = before;
        if (++fruitless >= mostWalks) throw error;
        // Again and again by a node that contradicts itself.
        if (fruitless > 1) await systemClock.sleep(againMs, signal);
        continue;
      }
      const isUnknown = isRelayError(error, 'state-discarded');
      // A node that is away for long is waited for: nothing is missed by that.
      if (!isUnknown && !isRelayError(error, 'chain-unreachable')) throw error;
      const { number: present } = await reached(() => newestFinal(parts.chain, parts.options.verify, signal), signal);
      // It was so slow that a block was forgotten before its turn: such are final, and what is missing of them is a gap.
      if (present > settled.number) continue;
      // Or the block is one that the endpoint does not know which is asked now: there is another branch, or it comes to know it.
      if (isUnknown && ++fruitless >= mostWalks) throw error;
      await systemClock.sleep(againMs, signal);
    }
  }
}

/**
 * Takes best blocks after a finalized one. Throws state-discarded beside what the chain throws, and cursor-not-on-chain where
 * that one was made up by the node that told of it.
 */
async function takeEarly(
  { chain, ledger, options, markReady }: FollowParts,
  start: BlockId,
  signal: AbortSignal,
  { onTaken, onSettled }: { readonly onTaken: (head: BlockId) => void; readonly onSettled: (head: BlockId) => void },
): Promise<void> {
  const { number: present } = await chain.bestHead(signal);
  if (start.number >= present) markReady();
  const branch = new BestBranch();
  const settleUpTo = async (): Promise<void> => {
    const head = branch.settled();
    if (head === undefined) return;
    await ledger.settle(head);
    onSettled(head);
  };
  using leaving = new LinkedAbort(signal);
  const all = leaving.signal;
  const takeBest = async (): Promise<void> => {
    for await (const { type, head } of chain.headEvents({ finality: 'best', from: start.number + 1 }, all)) {
      if (type === 'retracted') {
        branch.remove(head);
        await ledger.retract(head);
      } else {
        await ledger.takeEarly(head, await chain.messages.at(head, options, all));
        onTaken(head);
        branch.add(head);
        if (head.number >= present) markReady();
      }
      await settleUpTo();
    }
  };
  const takeFinalized = async (): Promise<void> => {
    const finalized = { agreed: options.verify !== false, from: start.number };
    for await (const { type, head } of chain.headEvents(finalized, all)) {
      if (head.number === start.number && (type === 'retracted' || head.hash !== start.hash))
        throw new RelayError('cursor-not-on-chain', { details: { block: start.number, hash: start.hash } });
      if (type === 'head') branch.finalize(head);
      else branch.unfinalize(head);
      await settleUpTo();
    }
  };
  const both = [takeBest(), takeFinalized()];
  try {
    await Promise.race(both);
  } finally {
    leaving.abort();
    await Promise.allSettled(both);
  }
}
