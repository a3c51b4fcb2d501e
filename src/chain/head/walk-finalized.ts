import type { Head, HeadEvent } from '../chain.ts';
import { checkLink } from './check-link.ts';
import type { HeadReader } from './head-reader.ts';
import type { LatestValue } from './latest-value.ts';
import type { NewestHead } from './newest-heads.ts';
import type { StartingPoint } from './starting-point.ts';
import { readRange } from './read-range.ts';

/** Every finalized block once, in order: what lies between two announced heads is read by number. */
export async function* walkFinalized(
  reader: HeadReader,
  newest: LatestValue<NewestHead>,
  { from, after }: StartingPoint,
  signal: AbortSignal,
): AsyncGenerator<HeadEvent, never> {
  let next = after === undefined ? (from ?? (await newest.next(signal)).value.head.number) : after.number + 1;
  let last: Pick<Head, 'hash'> | undefined = after;
  for (;;) {
    const wanted = next;
    const { value } = await newest.next(signal, ({ value: { head } }) => head.number >= wanted);
    for await (const head of readRange(reader, next, value.head, signal)) {
      if (last !== undefined) checkLink(last, head);
      last = head;
      next = head.number + 1;
      yield { type: 'head', head };
    }
  }
}
