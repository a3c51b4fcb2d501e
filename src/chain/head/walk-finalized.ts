import { isRelayError, RelayError } from '../../errors/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { BlockId, Head, HeadEvent } from './head.ts';
import type { Connection } from '../rpc/connection.ts';
import { checkLink } from './check-link.ts';
import { checkParent } from './check-parent.ts';
import type { HeadReader } from './head-reader.ts';
import type { HeaderChain } from './header-chain.ts';
import type { Versioned } from './latest-value.ts';
import type { Listening } from './listening.ts';
import type { NewestHead } from './newest-heads.ts';
import type { StartingPoint } from './starting-point.ts';

export interface WalkParts {
  readonly connection: Connection;
  readonly headers: HeaderChain;
  readonly reader: HeadReader;
  /**
   * The block to go up to, now that one was told of: what enough endpoints agree on, of `from` or later; waits until there
   * is one. Without it that one is.
   */
  readonly elected:
    ((told: Head, from: BlockNumber, isFirst: boolean, signal: AbortSignal) => Promise<Head>) | undefined;
  /** Whether another endpoint than `url` has a block. */
  readonly othersHave: (block: BlockId, url: string, signal: AbortSignal) => Promise<boolean>;
}

/**
 * Every finalized block once, in order. What lies between two that were told of is linked downwards from the later one
 * before any of it is given: by number a node that is behind could give blocks of a fork that never was final.
 */
export async function* walkFinalized(
  { connection, headers, reader, elected, othersHave }: WalkParts,
  listen: () => Listening,
  { from, after }: StartingPoint,
): AsyncGenerator<HeadEvent, never> {
  using listening = listen();
  const { newest, signal } = listening;
  let next = after === undefined ? from : after.number + 1;
  let last: BlockId | undefined = after;
  let hasBegun = false;
  let lost = 0;
  let failures = 0;
  const parentOf = ({ parentHash }: Head): Promise<Head> => reader.byHash(parentHash, { signal, patienceMs: Infinity });
  const given = (head: Head): HeadEvent => {
    if (last !== undefined) checkLink(last, head);
    last = head;
    next = head.number + 1;
    hasBegun = true;
    return { type: 'head', head };
  };
  const fits = ({ value, version }: Versioned<NewestHead>): boolean =>
    version > lost && (next === undefined || value.head.number >= next);
  /** Whether what one node told came to nothing, though another may know better. */
  const isDoubtful = async (error: unknown, url: string): Promise<boolean> => {
    if (isRelayError(error, 'state-discarded')) return true;
    if (elected !== undefined || last === undefined || !isRelayError(error, 'chain-forked')) return false;
    return othersHave(last, url, signal);
  };
  for (;;) {
    const { value, version } = await newest.next(signal, fits);
    try {
      const told = value.head;
      const target = elected === undefined ? told : await elected(told, next ?? 0, !hasBegun, signal);
      const first = next ?? target.number;
      if (first < target.number) {
        // With a number far too high no block would come for long.
        if (elected === undefined) await checkParent(target, parentOf);
        for await (const head of below(target, first, headers, signal)) yield given(head);
      }
      yield given(target);
      failures = 0;
    } catch (error) {
      const isLie = isRelayError(error, 'node-lies') && error.details?.['block'] === value.head.hash;
      if (isLie)
        connection.leave(value.url, new RelayError('node-lies', { details: { ...error.details, url: value.url } }));
      else if (!(await isDoubtful(error, value.url))) throw error;
      else {
        // Where the node that told of it is gone, and nobody else has it, the next one tells what is final.
        const { id } = await connection.session({ signal, patienceMs: Infinity });
        const mayGoOn = ++failures <= connection.options.endpoints.length;
        if (id === value.session && !(mayGoOn && connection.distrust(value.url, String(error)))) throw error;
      }
      lost = version;
    }
  }
}

/** From number `from` up to the parent of a later one. */
async function* below(
  { number, parentHash }: Head,
  from: BlockNumber,
  headers: HeaderChain,
  signal: AbortSignal,
): AsyncGenerator<Head> {
  for await (const segment of headers.segments(from, { number: number - 1, hash: parentHash }, signal))
    yield* segment.heads();
}
