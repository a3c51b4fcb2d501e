import { fromHex } from '../../codec/index.ts';
import { isRelayError, type RelayError } from '../../errors/index.ts';
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
import { hashesFrom, lastWithout } from './missing-blocks.ts';
import { lengthOf, type OutboundValue } from './outbound-value.ts';
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
      const read = await this.#parts.values.read([{ ...head, stateRoot }], signal);
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

  /**
   * Of the blocks after `last` up to one that was told of, or is trusted instead. Ends early where blocks are missing, or the
   * way of reading has to change.
   */
  async *upTo(told: Head, last: BlockId, following: Following, signal: AbortSignal): AsyncGenerator<MessageSpan> {
    const { options, gave } = following;
    const proves = await this.#proves(options, signal);
    const target = proves ? await this.#parts.trusted(told, last.number + 1, signal) : told;
    const isNext = target.hash === told.hash && told.number === last.number + 1;
    const pieces = isNext ? nextPiece(last, told, proves) : this.#pieces(last, target, proves, signal);
    const frames = framesOf(pieces, () => this.#blocksPerFrame);
    const readNow = (frame: Frame): Promise<ReadFrame | Failed> => this.#read(frame, signal);
    const read = (frame: Frame): Promise<ReadFrame | Failed | TooLarge> =>
      readNow(frame).catch((error: unknown) => {
        if (error instanceof OversizedAnswer) return { tooLarge: frame };
        throw error;
      });
    async function* inParts(whole: ReadFrame | Failed | TooLarge): AsyncGenerator<ReadFrame | Failed> {
      if ('tooLarge' in whole) yield* inWindow(fewOf(whole.tooLarge), framesInFlight, readNow);
      else yield whole;
    }
    try {
      for await (const whole of inWindow(frames, proves ? proofFramesInFlight : framesInFlight, read)) {
        let bytes = 0;
        for await (const part of inParts(whole)) {
          gave(part.frame.url);
          if ('error' in part) {
            yield* this.#aroundMissing(part, target, { ...following, proves }, signal);
            return;
          }
          yield await this.#span(part, options, signal);
          bytes += bytesIn(part);
        }
        this.#frameBytes =
          'tooLarge' in whole
            ? Math.max(minFrameBytes, Math.min(this.#frameBytes, bytes / 2))
            : Math.min(usualFrameBytes, this.#frameBytes * regained);
      }
    } catch (error) {
      if (!proves || !(await this.#goesWithout(error, options, signal))) throw error;
    }
  }

  #pieces(after: BlockId, target: BlockId, proves: boolean, signal: AbortSignal | undefined): AsyncGenerator<Piece> {
    const { headers, hashes } = this.#parts;
    return proves ? linkedPieces(headers, after, target, signal) : listedPieces(hashes, after, target, signal);
  }

  async #read(frame: Frame, signal: AbortSignal): Promise<ReadFrame | Failed> {
    try {
      return { frame, values: await this.#parts.values.read(frame.anchors, signal) };
    } catch (error) {
      if (isRelayError(error, 'state-discarded')) return { frame, error };
      throw error;
    }
  }

  async #span(read: ReadFrame, { topics }: MessagesOptions, signal: AbortSignal): Promise<MessageSpan> {
    const { frame, values } = read;
    const found = new PostedMessages();
    for (const value of values) {
      // Most need nothing of the node, and cost no turn of the event loop then.
      const more = this.#parts.finder.find(value, found, topics, signal);
      if (more !== undefined) await more;
    }
    // It grows by what came: one of full blocks is as much as a node sends.
    const most = Math.min(this.#parts.values.blocksAtOnce, Math.max(this.#blocksPerFrame, growth * values.length));
    this.#blocksPerFrame = powerOfTwoBelow(Math.min(most, (this.#frameBytes * values.length) / (1 + bytesIn(read))));
    const { number, hash } = frame.through;
    return { type: 'blocks', through: { number, hash }, messages: found.take() };
  }

  /** What could be read of a frame, then what is missing. */
  async *#aroundMissing(
    { frame, error }: Failed,
    target: BlockId,
    { options, callerSignal, proves }: Omit<Following, 'gave'> & { readonly proves: boolean },
    signal: AbortSignal,
  ): AsyncGenerator<MessageSpan> {
    const { values } = this.#parts;
    for (const anchor of frame.anchors) {
      try {
        const one = { anchors: [anchor], through: anchor };
        yield await this.#span({ frame: one, values: await values.read([anchor], signal) }, options, signal);
      } catch (again) {
        if (!isRelayError(again, 'state-discarded')) throw again;
        const piecesAfter = (until: AbortSignal | undefined) => (block: BlockId) =>
          this.#pieces(block, target, proves, until);
        const through = await lastWithout(anchor, piecesAfter(signal), (block) => this.#hasState(block, signal));
        // Some ask for them when they have left the stream.
        const hashAt = hashesFrom(anchor, piecesAfter(callerSignal));
        const reason = String(error.details?.['reason'] ?? '');
        yield { type: 'missing', first: anchor.number, through, reason, hashAt };
        return;
      }
    }
  }

  async #hasState({ number, hash }: BlockId, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#parts.values.read([{ number, hash, stateRoot: undefined }], signal);
      return true;
    } catch (error) {
      if (!isRelayError(error, 'state-discarded')) throw error;
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
  readonly values: readonly OutboundValue[];
}

/** More than the node sends at once. */
interface TooLarge {
  readonly tooLarge: Frame;
}

interface Failed {
  readonly frame: Frame;
  readonly error: RelayError;
}

function bytesIn({ values }: ReadFrame): number {
  let bytes = 0;
  for (const { value } of values) if (value !== undefined) bytes += lengthOf(value);
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
