import { isRelayError } from '../../errors/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { Head, HeadEvent } from './head.ts';
import type { Connection } from '../rpc/connection.ts';
import { checkLink } from './check-link.ts';
import type { HeaderChain } from './header-chain.ts';
import type { LatestValue } from './latest-value.ts';
import type { NewestHead } from './newest-heads.ts';
import type { StartingPoint } from './starting-point.ts';

export interface WalkParts {
  readonly connection: Connection;
  readonly headers: HeaderChain;
  /**
   * The block to go up to, now that one was told of: that one, or what enough endpoints agree on, of `from` or later;
   * waits until there is one.
   */
  readonly trusted: (told: Head, from: BlockNumber, isFirst: boolean) => Promise<Head>;
}

/**
 * Every finalized block once, in order. What lies between two that were told of is linked downwards from the later one
 * before any of it is given: by number a node that is behind could give blocks of a fork that never was final.
 */
export async function* walkFinalized(
  { connection, headers, trusted }: WalkParts,
  newest: LatestValue<NewestHead>,
  { from, after }: StartingPoint,
  signal: AbortSignal,
): AsyncGenerator<HeadEvent, never> {
  let next = after === undefined ? from : after.number + 1;
  let last: Pick<Head, 'hash'> | undefined = after;
  let hasBegun = false;
  let lost = 0;
  for (;;) {
    const wanted = next;
    const { value, version } = await newest.next(
      signal,
      (told) => told.version > lost && (wanted === undefined || told.value.head.number >= wanted),
    );
    try {
      const target = await trusted(value.head, wanted ?? 0, !hasBegun);
      const first = wanted ?? target.number;
      const between = first < target.number ? linked(headers, first, target, signal) : [target];
      for await (const head of between) {
        if (last !== undefined) checkLink(last, head);
        last = head;
        next = head.number + 1;
        hasBegun = true;
        yield { type: 'head', head };
      }
    } catch (error) {
      // The node that told of it is gone, and nobody else has it: the next one tells what is final.
      const { id } = await connection.session({ signal, patienceMs: Infinity });
      if (!isRelayError(error, 'state-discarded') || id === value.session) throw error;
      lost = version;
    }
  }
}

/** From number `from` up to `target`, a later one, whose header is known. */
async function* linked(
  headers: HeaderChain,
  from: BlockNumber,
  target: Head,
  signal: AbortSignal,
): AsyncGenerator<Head> {
  for await (const segment of headers.segments(from, { number: target.number - 1, hash: target.parentHash }, signal))
    yield* segment.heads();
  yield target;
}
