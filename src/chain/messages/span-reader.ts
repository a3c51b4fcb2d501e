import { fromHex } from '../../codec/index.ts';
import { isRelayError } from '../../errors/index.ts';
import type { BlockId, Head } from '../head/head.ts';
import type { BlockNumber } from '../block-number.ts';
import type { HashRuns } from '../head/hash-runs.ts';
import type { HeaderChain } from '../head/header-chain.ts';
import type { Connection } from '../rpc/connection.ts';
import { inWindow } from '../storage/in-window.ts';
import { OversizedAnswer } from '../storage/oversized-answer.ts';
import { callsAtOnce, fewBlocks } from './block-anchor.ts';
import { framesOf, linkedPieces, listedPieces, nextPiece, type Frame, type Piece } from './frames.ts';
import type { MessageFinder } from './message-finder.ts';
import type { MessageSpan, MessagesOptions, PostedMessage } from './messages.ts';
import type { MissingBlocks, PiecesAfter, ReadSpan } from './missing-blocks.ts';
import { isDiscarded, lengthOf, type OutboundRead, type OutboundValue } from './outbound-value.ts';
import type { OutboundValues } from './outbound-values.ts';
import { PostedMessages } from './posted-messages.ts';

/** Frames under way at once, each of some blocks. */
const framesInFlight = 4;
/** … where each block is a proof: a node that has several processors is idle with fewer. */
const proofFramesInFlight = 8;
/** What one frame is to bring of messages, about, in bytes: full blocks make frames of fewer blocks. */
const usualFrameBytes = 2 ** 20;
/** … where a node sends less, at least. */
const minFrameBytes = 2 ** 16;
/** … how much of that a frame that comes whole gives back: one in a dozen is too large where a node goes on so. */
const regained = 65 / 64;
/** How many times more blocks the next frames may have than one that came. */
const growth = 4;

export interface SpanReaderParts {
  readonly connection: Connection;
  readonly values: OutboundValues;
  readonly headers: HeaderChain;
  readonly hashes: HashRuns;
  readonly finder: MessageFinder;
  /** A finalized block at or after `from` to hold others against, once the node told of `told`. */
  readonly trusted: (told: Head, from: BlockNumber, signal: AbortSignal) => Promise<BlockId>;
}

/** What a stream was asked for. */
export interface Following {
  readonly options: MessagesOptions;
  readonly callerSignal: AbortSignal | undefined;
  /** Whether the node told of a finalized block after this one. */
  readonly isOvertaken: (block: BlockId) => boolean;
}

/** Reads what runs of blocks hold, many at once, by proofs where nodes give them. */
export class SpanReader {
  readonly #parts: SpanReaderParts;
  /** Nodes that give no proofs. */
  readonly #withoutProofs = new Set<string>();
  #blocksPerFrame = callsAtOnce;
  #frameBytes = usualFrameBytes;

  constructor(parts: SpanReaderParts) {
    this.#parts = parts;
  }

  /** Of one block, whose header is not held against a finalized one. */
  async at(head: Head, options: MessagesOptions, signal?: AbortSignal): Promise<PostedMessage[]> {
    const read = async (stateRoot: Uint8Array | undefined): Promise<PostedMessage[]> => {
      const read = await this.#parts.values.read([{ ...head, stateRoot }], signal);
      const found = new PostedMessages();
      for (const value of read) {
        if (isDiscarded(value)) throw value.error;
        await this.#parts.finder.find(value, found, options.topics, signal);
      }
      return found.take();
    };
    const proves = await this.#proves(options, signal);
    try {
      return await read(proves ? fromHex(head.stateRoot) : undefined);
    } catch (error) {
      if (!proves || !(await this.#goesWithout(error, options, signal))) throw error;
      return read(undefined);
    }
  }

  /**
   * Of the blocks after those that `missing` came by, up to one that was told of, or is trusted instead. Ends early where the
   * way of reading has to change. Missing blocks that it ends with are left to the next call where those after them may be
   * missing too.
   */
  async *upTo(told: Head, missing: MissingBlocks, following: Following, signal: AbortSignal): AsyncGenerator<ReadSpan> {
    const { options, callerSignal, isOvertaken } = following;
    const { last } = missing;
    const proves = await this.#proves(options, signal);
    const target = proves ? await this.#parts.trusted(told, last.number + 1, signal) : told;
    const isNext = target.hash === told.hash && told.number === last.number + 1;
    const pieces = isNext ? nextPiece(last, told, proves) : this.#pieces(last, target, proves, signal);
    const frames = framesOf(pieces, () => this.#blocksPerFrame);
    // Some ask for hashes of missing blocks when they have left the stream.
    const piecesAfter = (block: BlockId): AsyncGenerator<Piece> => this.#pieces(block, target, proves, callerSignal);
    try {
      for await (const whole of inWindow(frames, proves ? proofFramesInFlight : framesInFlight, this.#readIn(signal))) {
        let bytes = 0;
        for await (const part of this.#inParts(whole, signal)) {
          yield* this.#spans(part, { missing, piecesAfter, options }, signal);
          bytes += bytesIn(part.read);
        }
        this.#frameBytes =
          'tooLarge' in whole
            ? Math.max(minFrameBytes, Math.min(this.#frameBytes, bytes / 2))
            : Math.min(usualFrameBytes, this.#frameBytes * regained);
      }
    } catch (error) {
      if (!proves || !(await this.#goesWithout(error, options, signal))) throw error;
    }
    const gap = isOvertaken(missing.last) ? undefined : missing.take(piecesAfter);
    if (gap !== undefined) yield gap;
  }

  #pieces(after: BlockId, target: BlockId, proves: boolean, signal: AbortSignal | undefined): AsyncGenerator<Piece> {
    const { headers, hashes } = this.#parts;
    return proves ? linkedPieces(headers, after, target, signal) : listedPieces(hashes, after, target, signal);
  }

  #readIn(signal: AbortSignal): (frame: Frame) => Promise<ReadFrame | TooLarge> {
    return async (frame) => {
      try {
        return await this.#read(frame, signal);
      } catch (error) {
        if (error instanceof OversizedAnswer) return { tooLarge: frame };
        throw error;
      }
    };
  }

  async #read(frame: Frame, signal: AbortSignal): Promise<ReadFrame> {
    return { frame, read: await this.#parts.values.read(frame.anchors, signal) };
  }

  async *#inParts(whole: ReadFrame | TooLarge, signal: AbortSignal): AsyncGenerator<ReadFrame> {
    if ('tooLarge' in whole) yield* inWindow(fewOf(whole.tooLarge), framesInFlight, (few) => this.#read(few, signal));
    else yield whole;
  }

  /** What is there of a frame, behind what is missing before it. */
  async *#spans(
    { frame: { url }, read }: ReadFrame,
    { missing, piecesAfter, options }: SpanParts,
    signal: AbortSignal,
  ): AsyncGenerator<ReadSpan> {
    let there: OutboundValue[] = [];
    for (const [i, each] of read.entries()) {
      if (isDiscarded(each)) {
        missing.add(each, url);
        continue;
      }
      there.push(each);
      const next = read[i + 1];
      if (next !== undefined && !isDiscarded(next)) continue;
      const gap = missing.take(piecesAfter);
      if (gap !== undefined) yield gap;
      const span = await this.#span(there, each.block, options, signal);
      missing.passed(span.through);
      yield { span, url };
      there = [];
    }
  }

  async #span(
    values: readonly OutboundValue[],
    { number, hash }: BlockId,
    { topics }: MessagesOptions,
    signal: AbortSignal,
  ): Promise<MessageSpan> {
    const found = new PostedMessages();
    for (const value of values) {
      // Most need nothing of the node, and cost no turn of the event loop then.
      const more = this.#parts.finder.find(value, found, topics, signal);
      if (more !== undefined) await more;
    }
    // It grows by what came: one of full blocks is as much as a node sends.
    const most = Math.min(this.#parts.values.blocksAtOnce, Math.max(this.#blocksPerFrame, growth * values.length));
    this.#blocksPerFrame = powerOfTwoBelow(Math.min(most, (this.#frameBytes * values.length) / (1 + bytesIn(values))));
    return { type: 'blocks', through: { number, hash }, messages: found.take() };
  }

  async #proves({ verify }: MessagesOptions, signal: AbortSignal | undefined): Promise<boolean> {
    return verify ?? !this.#withoutProofs.has(await this.#url(signal));
  }

  /** Whether to go on without proofs, which this node does not give. */
  async #goesWithout(error: unknown, { verify }: MessagesOptions, signal: AbortSignal | undefined): Promise<boolean> {
    if (verify !== undefined || !isRelayError(error, 'proofs-unavailable')) return false;
    this.#withoutProofs.add(String(error.details?.['url'] ?? (await this.#url(signal))));
    return true;
  }

  async #url(signal: AbortSignal | undefined): Promise<string> {
    return (await this.#parts.connection.session({ signal, patienceMs: Infinity })).socket.url;
  }
}

interface ReadFrame {
  readonly frame: Frame;
  /** In the order of its blocks. */
  readonly read: readonly OutboundRead[];
}

/** More than the node sends at once. */
interface TooLarge {
  readonly tooLarge: Frame;
}

interface SpanParts {
  readonly missing: MissingBlocks;
  readonly piecesAfter: PiecesAfter;
  readonly options: MessagesOptions;
}

function bytesIn(read: readonly OutboundRead[]): number {
  let bytes = 0;
  for (const each of read) if (!isDiscarded(each) && each.value !== undefined) bytes += lengthOf(each.value);
  return bytes;
}

/** The same blocks, a few at a time. */
function fewOf({ anchors, through, url }: Frame): Frame[] {
  const parts: Frame[] = [];
  for (let at = 0; at < anchors.length; at += fewBlocks) {
    const few = anchors.slice(at, at + fewBlocks);
    parts.push({ anchors: few, through: few.at(-1) ?? through, url });
  }
  return parts;
}

function powerOfTwoBelow(number: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, number)));
}
