import type { BlockId, BlockNumber } from '../chain/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Expectation, Write } from '../store/index.ts';
import type { InboxChain } from './inbox-chain.ts';
import type { InboxStore } from './inbox-store.ts';

interface StartOptions {
  readonly from: BlockNumber | 'head' | undefined;
  readonly verify: boolean | undefined;
  /** Of the replay window, for whoever looks after the store without its settings. */
  readonly retentionMs?: number;
}

/** A first block counts only where nothing was read before; said rather than passed over. */
export function alreadyRead(from: BlockNumber | 'head' | undefined, { number }: BlockId): RelayError | undefined {
  if (typeof from !== 'number' || from === number + 1) return undefined;
  return new RelayError('already-read', { details: { block: number, from } });
}

/** Where nothing was read before, and no first block was given, the one that is read first is said. */
export function readingFrom(from: BlockNumber | 'head' | undefined, { number }: BlockId): RelayError | undefined {
  if (typeof from === 'number') return undefined;
  return new RelayError('reading-from', { details: { block: number + 1 } });
}

export interface StartingPoint {
  /** The block after which reading begins. */
  readonly cursor: BlockId;
  /** What makes the store the chain's and says where reading began: the inbox is not ready before it is written. */
  readonly claim: readonly Write[];
  /** What the claim stands on. */
  readonly expected: Expectation;
  /** What is worth knowing when the claim is durable: reading-from, or already-read. */
  readonly notice: RelayError | undefined;
}

/**
 * Reading begins after the cursor; where there is none, or it is where an earlier `from` put it and nothing was read since,
 * after the block before `from`, or the present head (default where there is no cursor). Throws
 * store-of-another-chain, store-of-newer-version, cursor-not-on-chain where the chain is not the one that was read, and
 * bad-value for a `from` yet to come.
 */
export async function startingPoint(
  chain: InboxChain,
  store: InboxStore,
  { from, verify, retentionMs }: StartOptions,
  signal: AbortSignal,
): Promise<StartingPoint> {
  const blocks = finalBlocks(chain, verify, signal);
  const claim = [
    ...(await store.claimWrites(chain.genesisHash)),
    ...(retentionMs === undefined ? [] : await store.retentionWrites(retentionMs)),
  ];
  const cursor = await store.cursor();
  const expected = store.cursorExpectation(cursor);
  if (cursor !== undefined && (from === undefined || !(await store.isAtGivenStart(cursor)))) {
    await checkCursor(cursor, blocks);
    return { cursor, claim, expected, notice: alreadyRead(from, cursor) };
  }
  const isGiven = typeof from === 'number';
  const newest = blocks.newest();
  // The genesis block holds no messages.
  const [present, last] = await Promise.all([newest, isGiven ? blocks.at(Math.max(from - 1, 0)) : newest]);
  if (last === undefined || last.number > present.number)
    throw new RelayError('bad-value', {
      details: { what: 'The first block to read', reason: `the chain is only at block ${present.number}` },
    });
  const { number, hash } = last;
  const start = { number, hash };
  const writes = [...claim, ...store.startWrites(start, isGiven)];
  return { cursor: start, claim: writes, expected, notice: readingFrom(from, start) };
}

/** The genesis hash does not tell a development chain that was started again from the one before. Throws cursor-not-on-chain. */
export async function checkCursor({ number, hash }: BlockId, blocks: FinalBlocks): Promise<void> {
  const head = await blocks.at(number);
  if (head?.hash !== hash) throw new RelayError('cursor-not-on-chain', { details: { block: number, hash } });
}

interface FinalBlocks {
  readonly newest: () => Promise<BlockId>;
  /** undefined where there is no such block yet. */
  readonly at: (number: BlockNumber) => Promise<BlockId | undefined>;
}

/**
 * The newest finalized block, waited for: as several endpoints agree on it, where there are several and none is to be taken
 * at its word. One that says that it is far ahead of all others is no measure of what is to be read.
 */
export function newestFinal(
  chain: Pick<InboxChain, 'trust' | 'finalizedHead' | 'agreedHead'>,
  verify: boolean | undefined,
  signal: AbortSignal,
): Promise<BlockId> {
  if (verify === false || chain.trust === 'single') return chain.finalizedHead(signal);
  return chain.agreedHead(signal, Infinity);
}

/** As several endpoints agree on them, where there are several and none is to be taken at its word. Throws no-quorum. */
export function finalBlocks(chain: InboxChain, verify: boolean | undefined, signal: AbortSignal): FinalBlocks {
  if (verify === false || chain.trust === 'single')
    return { newest: () => chain.finalizedHead(signal), at: (number) => chain.headAt(number, signal) };
  return {
    newest: () => chain.agreedHead(signal),
    at: async (number) => {
      // One of them may be behind; that reading leads through it is seen later.
      if (number > (await chain.agreedHead(signal)).number) return chain.headAt(number, signal);
      for await (const { head } of chain.headEvents({ from: number, agreed: true }, signal)) return head;
      return undefined;
    },
  };
}
