import { isRelayError, RelayError } from '../../errors/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { BlockId, Head, HeadEvent } from './head.ts';
import type { Connection } from '../rpc/connection.ts';
import { checkLink } from './check-link.ts';
import { checkParent } from './check-parent.ts';
import type { ForkWitness } from '../quorum/fork-witness.ts';
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
  /** Asked where one node's word stands against another's; not of what was elected. */
  readonly witness: Pick<ForkWitness, 'judge' | 'holdAgainst'>;
}

/** Heads that came to nothing of which it is remembered who told of them, until others have finalized their numbers. */
const maxClaims = 16;

/**
 * Every finalized block once, in order. What lies between two that were told of is linked downwards from the later one
 * before any of it is given: by number a node that is behind could give blocks of a fork that never was final.
 */
export async function* walkFinalized(
  { connection, headers, reader, elected, witness }: WalkParts,
  listen: () => Listening,
  { from, after }: StartingPoint,
): AsyncGenerator<HeadEvent, never> {
  using listening = listen();
  const { newest, signal } = listening;
  let next = after === undefined ? from : after.number + 1;
  let last: BlockId | undefined = after;
  /** Who told of the last one. */
  let giver = '';
  let hasBegun = false;
  let lost = 0;
  let failures = 0;
  /** What nobody but who told of it had. */
  let claims: readonly NewestHead[] = [];
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
  /** Returns where the stream goes on with what is told of next. Throws what it ends with. */
  const settleFork = async (error: unknown, teller: string): Promise<void> => {
    if (elected !== undefined || last === undefined || !isRelayError(error, 'chain-forked')) throw error;
    const verdict = await witness.judge({ given: last, giver, teller }, signal);
    if (verdict === 'passed') return;
    if (verdict === 'open' || giver === '') throw error;
    const reason = 'it was given as finalized, and other endpoints have another block of its number';
    throw new RelayError('node-lies', { details: { url: giver, block: last.hash, reason } });
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
      giver = value.url;
      failures = 0;
      const due = claims.filter(({ head }) => head.number <= target.number);
      if (due.length === 0) continue;
      claims = claims.filter((claim) => !due.includes(claim));
      for (const { head, url } of due) witness.holdAgainst(head, url, signal).catch(() => undefined);
    } catch (error) {
      const isLie = isRelayError(error, 'node-lies') && error.details?.['block'] === value.head.hash;
      if (isLie)
        connection.leave(value.url, new RelayError('node-lies', { details: { ...error.details, url: value.url } }));
      else if (!isRelayError(error, 'state-discarded')) await settleFork(error, value.url);
      else {
        claims = [...claims, value].slice(-maxClaims);
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
