import { RelayError } from '../../errors/index.ts';
import { fromHex, type Hex } from '../../codec/index.ts';
import type { BlockId, Head } from '../head/head.ts';
import type { BlockNumber } from '../block-number.ts';
import { inWindow } from '../storage/in-window.ts';
import type { BlockAnchor } from './block-anchor.ts';
import type { HashRuns } from '../head/hash-runs.ts';
import type { HeaderChain } from '../head/header-chain.ts';

/** Hashes asked for at once where no headers are read. */
const hashesAtOnce = 512;
/** One that is read, and as many blocks as frames under way have: none of those waits for its hashes behind the others. */
const runsInFlight = 3;

/** Blocks that follow one another. */
export interface Piece {
  readonly first: BlockNumber;
  readonly last: BlockId;
  readonly anchorsOf: (first: BlockNumber, length: number) => BlockAnchor[];
  /** Who gave their hashes; undefined where they lead to a block that was told of. */
  readonly url?: string;
}

/** Blocks that are read at once. */
export interface Frame {
  readonly anchors: readonly BlockAnchor[];
  /** The last of them. */
  readonly through: BlockId;
  /** As of a {@link Piece}. */
  readonly url?: string | undefined;
}

/**
 * Cuts pieces into frames of `blocksPerFrame()` blocks, a power of two that is asked for at the moment each is wanted. They
 * end where numbers are multiples of it: so those who read side by side read the same frames, wherever they began.
 */
export async function* framesOf(pieces: AsyncIterable<Piece>, blocksPerFrame: () => number): AsyncGenerator<Frame> {
  for await (const { first, last, anchorsOf, url } of pieces)
    for (let from = first; from <= last.number;) {
      const size = blocksPerFrame();
      const anchors = anchorsOf(from, Math.min(size - (from % size), last.number - from + 1));
      yield { anchors, through: anchors.at(-1) ?? last, url };
      from += anchors.length;
    }
}

/** A block that was told of, so that its header is known. Throws cursor-not-on-chain. */
export async function* nextPiece(last: BlockId, head: Head, proves: boolean): AsyncGenerator<Piece> {
  checkLink(last, head.parentHash);
  const { number, hash, stateRoot } = head;
  const anchor = { number, hash, stateRoot: proves ? fromHex(stateRoot) : undefined };
  yield { first: number, last: anchor, anchorsOf: () => [anchor] };
}

/** Throws cursor-not-on-chain where the trusted block does not descend from `after`. */
export async function* linkedPieces(
  headers: HeaderChain,
  after: BlockId,
  trusted: BlockId,
  signal: AbortSignal | undefined,
): AsyncGenerator<Piece> {
  let before = after;
  for await (const segment of headers.segments(after.number + 1, trusted, signal)) {
    checkLink(before, segment.parentHash);
    before = segment.last;
    const anchorsOf = (first: BlockNumber, length: number): BlockAnchor[] =>
      Array.from({ length }, (_, i) => {
        const number = first + i;
        return { number, hash: segment.hash(number), stateRoot: segment.stateRootBytes(number) };
      });
    yield { first: segment.first, last: segment.last, anchorsOf };
  }
}

/**
 * As the node lists them. Throws cursor-not-on-chain where that has changed since `after` was read, or where two nodes list
 * blocks that do not follow one another: of the last one before that, and by who listed the next.
 */
export async function* listedPieces(
  hashes: HashRuns,
  after: BlockId,
  target: BlockId,
  signal: AbortSignal | undefined,
): AsyncGenerator<Piece> {
  const runs = function* (): Generator<readonly [first: number, last: number]> {
    // They end where frames do.
    for (let first = after.number + 1; first <= target.number;) {
      const last = Math.min(target.number, first - (first % hashesAtOnce) + hashesAtOnce - 1);
      yield [first, last];
      first = last + 1;
    }
  };
  let before = after;
  // The one before is asked for too: it tells whether this is still the chain that was read.
  const read = ([first, last]: readonly [number, number]) => hashes.of(first - 1, last, signal);
  for await (const { hashes: run, url } of inWindow(runs(), runsInFlight, read)) {
    const [parent, ...listed] = run;
    // Others are not to be served with it either.
    if (parent !== before.hash) hashes.forget();
    checkLink(before, parent, url);
    const first = before.number + 1;
    const anchorsOf = (from: BlockNumber, length: number): BlockAnchor[] =>
      listed
        .slice(from - first, from - first + length)
        .map((hash, i) => ({ number: from + i, hash, stateRoot: undefined }));
    const [last = before] = anchorsOf(first + listed.length - 1, 1);
    before = last;
    yield { first, last, anchorsOf, url };
  }
}

function checkLink(last: BlockId, parentHash: Hex | undefined, url?: string): void {
  if (parentHash !== last.hash)
    throw new RelayError('cursor-not-on-chain', {
      details: { block: last.number, hash: last.hash, ...(url !== undefined && { url }) },
    });
}
