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
import { lastWithout, MissingBlocks } from './missing-blocks.ts';
import { lengthOf, type OutboundValue } from './outbound-value.ts';
import type { OutboundValues } from './outbound-values.ts';
import { PostedMessages } from './posted-messages.ts';
import { SomeDiscarded } from './some-discarded.ts';

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
  /** Called before blocks are given, with who listed their hashes; undefined where they lead to what was told of. */
  readonly gave: (url: string | undefined) => void;
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
      const read = await this.#parts.values.read([{ ...head, stateRoot }], signal).catch(throwPlain);
      const found = new PostedMessages();
      for (const value of read) await this.#parts.finder.find(value, found, options.topics, signal);
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

  /** Of the blocks after `last` up to one that was told of, or is trusted instead. Ends early where the way of reading has to change. */
  async *upTo(told: Head, last: BlockId, following: Following, signal: AbortSignal): AsyncGenerator<MessageSpan> {
    const { options, callerSignal, gave } = following;
    const proves = await this.#proves(options, signal);
    const target = proves ? await this.#parts.trusted(told, last.number + 1, signal) : told;
    const isNext = target.hash === told.hash && told.number === last.number + 1;
    const piecesUntil = (until: AbortSignal | undefined) => this.#pieces(last, target, proves, until);
    const pieces = isNext ? nextPiece(last, told, proves) : piecesUntil(signal);
    // Some ask for hashes of missing ones when they have left the stream.
    const missing = new MissingBlocks(last, () => piecesUntil(callerSignal));
    const frames = framesOf(
      pieces,
      () => this.#blocksPerFrame,
      () => missing.passedOver,
    );
    try {
      for await (const whole of inWindow(frames, proves ? proofFramesInFlight : framesInFlight, this.#readIn(signal))) {
        let bytes = 0;
        for await (const part of this.#inParts(whole, signal)) {
          gave(part.frame.url);
          yield* this.#spans(part, missing, options, signal);
          bytes += bytesIn(part);
          const { through } = part.frame;
          const isGone = part.values.every((value) => value === undefined);
          if (isGone && through.number > missing.passedOver && through.number < target.number)
            missing.passOver(await lastWithout(through, piecesUntil(signal), (block) => this.#hasState(block, signal)));
        }
        this.#frameBytes =
          'tooLarge' in whole
            ? Math.max(minFrameBytes, Math.min(this.#frameBytes, bytes / 2))
            : Math.min(usualFrameBytes, this.#frameBytes * regained);
      }
      const gap = missing.end();
      if (gap !== undefined) yield gap;
    } catch (error) {
      if (!proves || !(await this.#goesWithout(error, options, signal))) throw error;
    }
  }

  #pieces(after: BlockId, target: BlockId, proves: boolean, signal: AbortSignal | undefined): AsyncGenerator<Piece> {
    const { headers, hashes } = this.#parts;
    return proves ? linkedPieces(headers, after, target, signal) : listedPieces(hashes, after, target, signal);
  }

  async #read(frame: Frame, signal: AbortSignal): Promise<ReadFrame> {
    try {
      return { frame, values: await this.#parts.values.read(frame.anchors, signal), reason: '' };
    } catch (error) {
      if (!(error instanceof SomeDiscarded)) throw error;
      return { frame, values: error.values, reason: String(error.error.details?.['reason'] ?? '') };
    }
  }

  #readIn(signal: AbortSignal): (frame: Frame) => Promise<ReadFrame | TooLarge> {
    return (frame) =>
      this.#read(frame, signal).catch((error: unknown) => {
        if (error instanceof OversizedAnswer) return { tooLarge: frame };
        throw error;
      });
  }

  async *#inParts(whole: ReadFrame | TooLarge, signal: AbortSignal): AsyncGenerator<ReadFrame> {
    if (!('tooLarge' in whole)) yield whole;
    else yield* inWindow(fewOf(whole.tooLarge), framesInFlight, (few) => this.#read(few, signal));
  }

  /** What came of a frame, in its order, each run of blocks behind the gap before it. */
  async *#spans(
    { frame: { anchors }, values, reason }: ReadFrame,
    missing: MissingBlocks,
    options: MessagesOptions,
    signal: AbortSignal,
  ): AsyncGenerator<MessageSpan> {
    for (let at = 0, end = 0; at < anchors.length; at = end) {
      const isThere = values[at] !== undefined;
      for (end = at + 1; end < anchors.length && (values[end] !== undefined) === isThere;) end += 1;
      const [first, through] = [anchors[at], anchors[end - 1]];
      if (first === undefined || through === undefined) return;
      if (!isThere) {
        missing.add(through, reason);
        continue;
      }
      const gap = missing.came(first.number, through);
      if (gap !== undefined) yield gap;
      const came = values.slice(at, end).filter((value) => value !== undefined);
      yield await this.#span(came, through, options, signal);
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
    this.#blocksPerFrame = powerOfTwoBelow(
      Math.min(most, (this.#frameBytes * values.length) / (1 + bytesIn({ values }))),
    );
    return { type: 'blocks', through: { number, hash }, messages: found.take() };
  }

  async #hasState({ number, hash }: BlockId, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#parts.values.read([{ number, hash, stateRoot: undefined }], signal);
      return true;
    } catch (error) {
      if (!(error instanceof SomeDiscarded)) throw error;
      return false;
    }
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
  /** In the order of its blocks; undefined of those whose states no endpoint has … */
  readonly values: readonly (OutboundValue | undefined)[];
  /** … and what was said of these. */
  readonly reason: string;
}

/** More than the node sends at once. */
interface TooLarge {
  readonly tooLarge: Frame;
}

function bytesIn({ values }: Pick<ReadFrame, 'values'>): number {
  let bytes = 0;
  for (const each of values) if (each?.value !== undefined) bytes += lengthOf(each.value);
  return bytes;
}

/** Of a block that is read alone. */
function throwPlain(error: unknown): never {
  throw error instanceof SomeDiscarded ? error.error : error;
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
