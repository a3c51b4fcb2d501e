import { checkLink } from './check-link.ts';
import type { BlockNumber, Head, HeadEvent } from '../chain.ts';
import type { BlockId, Quorum } from '../quorum/quorum.ts';
import type { HeadReader } from './head-reader.ts';
import type { LatestValue } from './latest-value.ts';
import { linkedRange } from './linked-range.ts';
import type { NewestHead } from './newest-heads.ts';
import type { StartingPoint } from './starting-point.ts';

/** Blocks that are linked at once: so many headers are held before the first of them is given. */
const linkedAtOnce = 256;

/**
 * Every finalized block once, in order, none before `quorum` endpoints agree on it or on one that it is an ancestor of. A
 * head that a node tells of only says when to ask.
 */
export async function* walkAgreed(
  { reader, quorum, timeoutMs }: { readonly reader: HeadReader; readonly quorum: Quorum; readonly timeoutMs: number },
  newest: LatestValue<NewestHead>,
  { from, after }: StartingPoint,
  signal: AbortSignal,
): AsyncGenerator<HeadEvent, never> {
  const options = { signal, patienceMs: Infinity };
  const isSingle = quorum.trust === 'single';
  const endOf = async (number: BlockNumber, agreed: BlockId, told: Head): Promise<Head> => {
    if (number < agreed.number && isSingle) return reader.existingAt(number, options);
    const hash = number === agreed.number ? agreed.hash : await quorum.hashAt(number, { signal });
    // Its hash was taken of the header that came with it: another look at that would show the same.
    return hash === told.hash ? told : reader.byHash(hash, options);
  };
  let next = after === undefined ? from : after.number + 1;
  let last: Pick<Head, 'hash'> | undefined = after;
  let hasBegun = false;
  for (;;) {
    const wanted = next;
    const told = await newest.next(signal, ({ value: { head } }) => wanted === undefined || head.number >= wanted);
    const agreed: BlockId = isSingle
      ? told.value.head
      : await quorum.newest(wanted ?? 0, hasBegun ? { signal } : { signal, patienceMs: timeoutMs });
    for (let first = wanted ?? agreed.number; first <= agreed.number;) {
      const number = Math.min(agreed.number, first + linkedAtOnce - 1);
      const heads = await linkedRange(reader, first, await endOf(number, agreed, told.value.head), signal);
      if (last !== undefined && heads[0] !== undefined) checkLink(last, heads[0]);
      for (const head of heads) {
        last = head;
        hasBegun = true;
        next = first = head.number + 1;
        yield { type: 'head', head };
      }
    }
  }
}
