import { isRelayError, RelayError } from '../../errors/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { BlockId, Head, HeadEvent } from './head.ts';
import type { Connection } from '../rpc/connection.ts';
import { checkParent } from './check-parent.ts';
import { GivenHeads } from './given-heads.ts';
import type { LagPatience } from '../quorum/lag-patience.ts';
import type { ForkWitness } from '../quorum/fork-witness.ts';
import type { HeadReader } from './head-reader.ts';
import type { Versioned } from './latest-value.ts';
import type { Listening } from './listening.ts';
import type { NewestHead } from './newest-heads.ts';
import type { StartingPoint } from './starting-point.ts';

/** As HeaderChain has it. */
interface SegmentSource {
  segments(first: BlockNumber, trusted: BlockId, signal?: AbortSignal): AsyncIterable<{ heads(): Iterable<Head> }>;
}

export interface WalkParts {
  readonly connection: Pick<Connection, 'options' | 'hasLeft' | 'leave' | 'session' | 'distrust'>;
  readonly headers: SegmentSource;
  readonly reader: Pick<HeadReader, 'byHash'>;
  /**
   * The block to go up to, now that one was told of: what enough endpoints agree on, of `from` or later; waits until there
   * is one. Without it that one is.
   */
  readonly elected:
    ((told: Head, from: BlockNumber, isFirst: boolean, signal: AbortSignal) => Promise<Head>) | undefined;
  /** Asked where one node's word stands against another's; not of what was elected. */
  readonly witness: Pick<ForkWitness, 'judge' | 'isLone' | 'firstMadeUp' | 'holdAgainst'>;
  readonly patience: Pick<LagPatience, 'firstParted'>;
}

/** Heads that came to nothing of which it is remembered who told of them, until others have finalized their numbers. */
const maxClaims = 16;

/**
 * Every finalized block once, in order; `retracted` for those that turn out to have been made up by who told of them. What
 * lies between two that were told of is linked downwards from the later one before any of it is given: by number a node that
 * is behind could give blocks of a fork that never was final.
 */
export async function* walkFinalized(
  { connection, headers, reader, elected, witness, patience }: WalkParts,
  listen: () => Listening,
  start: StartingPoint,
): AsyncGenerator<HeadEvent, never> {
  using listening = listen();
  const { newest, signal } = listening;
  const given = new GivenHeads(start);
  let lost = 0;
  let failures = 0;
  /** What nobody but who told of it had. */
  let claims: readonly NewestHead[] = [];
  const isAlone = connection.options.endpoints.length === 1;
  const parentOf = ({ parentHash }: Head): Promise<Head> => reader.byHash(parentHash, { signal, patienceMs: Infinity });
  const isTold = elected === undefined && !isAlone;
  const fits = ({ value, version }: Versioned<NewestHead>): boolean =>
    version > lost && (value.head.number >= (given.next ?? 0) || (isTold && value.head.hash !== given.last?.hash));
  /** What is to be taken back where an endpoint went on far below the last one, which it lacks. Throws chain-forked. */
  const takenBackBelow = async ({ head }: NewestHead): Promise<readonly HeadEvent[]> => {
    const { last, giver } = given;
    if (last === undefined || giver === '') return [];
    const others = connection.options.endpoints.filter((url) => url !== giver && !connection.hasLeft(url));
    const teller = await patience.firstParted(others, last.hash);
    if (teller === undefined || !(await witness.isLone({ given: last, giver, teller }, signal))) return [];
    const fork = new RelayError('chain-forked', {
      details: { block: head.number, found: head.hash, seen: last.hash },
    });
    return given.takeBack(witness, fork, signal, giver);
  };
  /** Throws what the stream ends with. */
  const judge = async (error: unknown, teller: string): Promise<'passed' | 'made up'> => {
    const { last, giver } = given;
    if (elected !== undefined || last === undefined || !isRelayError(error, 'chain-forked')) throw error;
    const verdict = await witness.judge({ given: last, giver, teller }, signal);
    if (verdict === 'open') throw error;
    return verdict;
  };
  for (;;) {
    const { value, version } = await newest.next(signal, fits);
    const told = value.head;
    if (told.number < (given.next ?? 0)) {
      lost = version;
      yield* await takenBackBelow(value);
      continue;
    }
    try {
      const target = elected === undefined ? told : await elected(told, given.next ?? 0, given.isEmpty, signal);
      const first = given.next ?? target.number;
      // With a number far too high no block would come for long.
      if (first < target.number ? elected === undefined : isTold && given.last === undefined)
        await checkParent(target, parentOf);
      if (first < target.number)
        for await (const head of below(target, first, headers, signal)) yield given.give(head, value.url);
      yield given.give(target, value.url);
      failures = 0;
      const due = claims.filter(({ head }) => head.number <= target.number);
      if (due.length === 0) continue;
      claims = claims.filter((claim) => !due.includes(claim));
      for (const { head, url } of due) witness.holdAgainst(head, url, signal).catch(() => undefined);
    } catch (error) {
      const isLie = isRelayError(error, 'node-lies') && error.details?.['block'] === value.head.hash;
      if (isLie)
        connection.leave(value.url, new RelayError('node-lies', { details: { ...error.details, url: value.url } }));
      else if (isRelayError(error, 'state-discarded')) {
        claims = [...claims, value].slice(-maxClaims);
        // Where the node that told of it is gone, and nobody else has it, the next one tells what is final.
        const { id } = await connection.session({ signal, patienceMs: Infinity });
        const mayGoOn = ++failures <= connection.options.endpoints.length;
        if (id === value.session && !(mayGoOn && connection.distrust(value.url, String(error)))) throw error;
      } else if ((await judge(error, value.url)) === 'made up') {
        yield* await given.takeBack(witness, error, signal);
        // What was told of is taken now.
        continue;
      }
      lost = version;
    }
  }
}

/** From number `from` up to the parent of a later one. */
async function* below(
  { number, parentHash }: Head,
  from: BlockNumber,
  headers: SegmentSource,
  signal: AbortSignal,
): AsyncGenerator<Head> {
  for await (const segment of headers.segments(from, { number: number - 1, hash: parentHash }, signal))
    yield* segment.heads();
}
