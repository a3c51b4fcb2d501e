import { equalBytes, type Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { anySignal, throwIfAborted } from '../abort.ts';
import type {
  BlockNumber,
  BlockView,
  Head,
  Messages,
  MessagesOptions,
  MessageSpan,
  OutboundMessage,
  PostedMessage,
} from '../chain.ts';
import type { LatestValue } from '../head/latest-value.ts';
import type { NewestHead } from '../head/newest-heads.ts';
import type { Connection } from '../rpc/connection.ts';
import { inWindow } from '../storage/in-window.ts';
import { decodeOutboundMessages } from '../storage/outbound-messages.ts';
import { blocksAtOnce, type BlockAnchor, type BlockId } from './block-anchor.ts';
import type { HashRuns } from './hash-runs.ts';
import type { HeaderChain } from './header-chain.ts';
import { mayContain } from './may-contain.ts';
import type { OutboundValue, OutboundValues } from './outbound-values.ts';

/** Frames under way at once, each of some blocks. */
const framesInFlight = 4;
/** Hashes asked for at once where no headers are read. */
const hashesAtOnce = 512;
/** What one frame is to bring of messages, about: full blocks make frames of fewer blocks. */
const frameBytes = 2 ** 20;

export interface MessageReaderParts {
  readonly connection: Connection;
  readonly values: OutboundValues;
  readonly headers: HeaderChain;
  readonly hashes: HashRuns;
  /** Listens to the newest finalized head until it is disposed. */
  readonly listen: () => LatestValue<NewestHead>;
  /** A finalized block at or after `from` to hold others against, once the node told of `told`. */
  readonly trusted: (told: Head, from: BlockNumber, signal: AbortSignal) => Promise<BlockId>;
  readonly viewOf: (hash: Hex) => BlockView;
}

/** `OutboundMessages` of blocks, many at once; what several readers want is read once. */
export class MessageReader implements Messages {
  readonly #parts: MessageReaderParts;
  /** Nodes that give no proofs. */
  readonly #withoutProofs = new Set<string>();
  #blocksPerFrame = blocksAtOnce;

  constructor(parts: MessageReaderParts) {
    this.#parts = parts;
  }

  async *follow(
    after: BlockId,
    options: MessagesOptions,
    callerSignal?: AbortSignal,
  ): AsyncGenerator<MessageSpan, never> {
    const { connection, listen } = this.#parts;
    const leaving = new AbortController();
    const signal = anySignal(callerSignal, connection.stopped, leaving.signal);
    throwIfAborted(signal);
    using newest = listen();
    let last = after;
    try {
      for (;;) {
        const { number } = last;
        const { value } = await newest.next(signal, (told) => told.value.head.number > number);
        try {
          for await (const span of this.#upTo(value.head, last, options, signal)) {
            yield span;
            last = span.through;
          }
        } catch (error) {
          // A node that is away for long is waited for: nothing is missed by that.
          if (!isRelayError(error, 'chain-unreachable')) throw error;
          await connection.session({ signal, patienceMs: Infinity });
        }
      }
    } finally {
      leaving.abort();
    }
  }

  async at(head: Head, options: MessagesOptions, signal?: AbortSignal): Promise<PostedMessage[]> {
    const read = async (stateRoot: Hex | undefined): Promise<PostedMessage[]> => {
      const [value] = await this.#parts.values.read([{ ...head, stateRoot }], signal);
      return value === undefined ? [] : this.#select(value, options, signal);
    };
    return this.#provenOrNot(options, signal, (proves) => read(proves ? head.stateRoot : undefined));
  }

  /** Ends early where blocks are missing, or the way of reading has to change. */
  async *#upTo(told: Head, last: BlockId, options: MessagesOptions, signal: AbortSignal): AsyncGenerator<MessageSpan> {
    const proves = await this.#proves(options, signal);
    const target = proves ? await this.#parts.trusted(told, last.number + 1, signal) : told;
    const isNext = target.hash === told.hash && told.number === last.number + 1;
    const pieces = isNext ? next(last, told, proves) : proves ? this.#linked(last, target) : this.#listed(last, target);
    const frames = this.#frames(pieces);
    const read = async (frame: readonly BlockAnchor[]): Promise<readonly OutboundValue[] | Failed> => {
      try {
        return await this.#parts.values.read(frame, signal);
      } catch (error) {
        if (isRelayError(error, 'state-discarded')) return { frame, error };
        throw error;
      }
    };
    try {
      for await (const values of inWindow(frames, framesInFlight, read)) {
        if ('error' in values) {
          yield* this.#aroundMissing(values, target, options, signal);
          return;
        }
        yield await this.#span(values, options, signal);
      }
    } catch (error) {
      if (!proves || !(await this.#goesWithout(error, options, signal))) throw error;
    }
  }

  async #span(values: readonly OutboundValue[], options: MessagesOptions, signal: AbortSignal): Promise<MessageSpan> {
    let greatest = 1;
    const messages: PostedMessage[] = [];
    for (const value of values) {
      greatest = Math.max(greatest, value.value?.length ?? 0);
      if (value.value !== undefined && mayContain(value.value, options.topics))
        messages.push(...(await this.#select(value, options, signal)));
    }
    this.#blocksPerFrame = Math.max(1, Math.min(blocksAtOnce, Math.floor(frameBytes / greatest)));
    const { number, hash } = values.at(-1)!.block;
    return { type: 'blocks', through: { number, hash }, messages };
  }

  /** What could be read of a frame, then what is missing. */
  async *#aroundMissing(
    { frame, error }: Failed,
    target: BlockId,
    options: MessagesOptions,
    signal: AbortSignal,
  ): AsyncGenerator<MessageSpan> {
    const { values } = this.#parts;
    for (const anchor of frame) {
      try {
        yield await this.#span(await values.read([anchor], signal), options, signal);
      } catch (again) {
        if (!isRelayError(again, 'state-discarded')) throw again;
        const through = await this.#lastMissing(anchor, target, signal);
        yield { type: 'missing', first: anchor.number, through, reason: String(error.details?.['reason'] ?? '') };
        return;
      }
    }
  }

  /** Nodes forget the oldest blocks first, so halving finds where they begin to know again. */
  async #lastMissing(first: BlockId, target: BlockId, signal: AbortSignal): Promise<BlockId> {
    const { hashes, values } = this.#parts;
    let missing = first;
    let there = target.number + 1;
    while (there - missing.number > 1) {
      const number = (missing.number + there) >> 1;
      const hash = number === target.number ? target.hash : (await hashes.of(number, number)).hashes[0]!;
      try {
        await values.read([{ number, hash, stateRoot: undefined }], signal);
        there = number;
      } catch (error) {
        if (!isRelayError(error, 'state-discarded')) throw error;
        missing = { number, hash };
      }
    }
    return { number: missing.number, hash: missing.hash };
  }

  /** Cuts what is to be read into frames, at the moment each is wanted. */
  async *#frames(pieces: AsyncIterable<Piece>): AsyncGenerator<readonly BlockAnchor[]> {
    for await (const { first, last, anchor } of pieces)
      for (let from = first; from <= last;) {
        const length = Math.min(this.#blocksPerFrame, last - from + 1);
        yield Array.from({ length }, (_, i) => anchor(from + i));
        from += length;
      }
  }

  /** Throws cursor-not-on-chain where the trusted block does not descend from `after`. */
  async *#linked(after: BlockId, trusted: BlockId): AsyncGenerator<Piece> {
    let last = after;
    for await (const segment of this.#parts.headers.segments(after.number + 1, trusted)) {
      checkLink(last, segment.parentHash);
      ({ last } = segment);
      yield {
        first: segment.first,
        last: last.number,
        anchor: (number) => ({ number, hash: segment.hash(number), stateRoot: segment.stateRoot(number) }),
      };
    }
  }

  /** As the node lists them. Throws cursor-not-on-chain where that has changed since `after` was read. */
  async *#listed(after: BlockId, target: BlockId): AsyncGenerator<Piece> {
    const { hashes } = this.#parts;
    const pieces = function* (): Generator<readonly [first: number, last: number]> {
      for (let first = after.number + 1; first <= target.number; first += hashesAtOnce)
        yield [first, Math.min(target.number, first + hashesAtOnce - 1)];
    };
    let last = after;
    // The one before is asked for too: it tells whether this is still the chain that was read.
    const read = async ([first, upTo]: readonly [number, number]) => (await hashes.of(first - 1, upTo)).hashes;
    for await (const [parent, ...listed] of inWindow(pieces(), 2, read)) {
      const first = last.number + 1;
      checkLink(last, parent ?? '0x');
      last = { number: last.number + listed.length, hash: listed.at(-1)! };
      yield {
        first,
        last: last.number,
        anchor: (number) => ({ number, hash: listed[number - first]!, stateRoot: undefined }),
      };
    }
  }

  async #select(
    { block, value, isProven }: OutboundValue,
    { topics }: MessagesOptions,
    signal: AbortSignal | undefined,
  ): Promise<PostedMessage[]> {
    if (value === undefined) return [];
    const { number, hash } = block;
    const posted = (message: OutboundMessage, proven: boolean): PostedMessage => ({
      ...message,
      block: { number, hash },
      proven,
    });
    try {
      return decodeOutboundMessages(value, topics).map((message) => posted(message, isProven));
    } catch (error) {
      if (!isRelayError(error)) throw error;
      // Another layout, which only the runtime's metadata tell: nothing proves those.
      const all = await this.#parts.viewOf(hash).outboundMessages(signal);
      return all
        .filter(({ destination }) => topics.some((topic) => equalBytes(topic, destination)))
        .map((message) => posted(message, false));
    }
  }

  async #provenOrNot<T>(
    options: MessagesOptions,
    signal: AbortSignal | undefined,
    read: (proves: boolean) => Promise<T>,
  ): Promise<T> {
    const proves = await this.#proves(options, signal);
    try {
      return await read(proves);
    } catch (error) {
      if (!proves || !(await this.#goesWithout(error, options, signal))) throw error;
      return read(false);
    }
  }

  async #proves({ verify }: MessagesOptions, signal: AbortSignal | undefined): Promise<boolean> {
    return verify ?? !this.#withoutProofs.has(await this.#url(signal));
  }

  /** Whether to go on without proofs, which this node does not give. */
  async #goesWithout(error: unknown, { verify }: MessagesOptions, signal: AbortSignal | undefined): Promise<boolean> {
    if (verify !== undefined || !isRelayError(error, 'proofs-unavailable')) return false;
    this.#withoutProofs.add(await this.#url(signal));
    return true;
  }

  async #url(signal: AbortSignal | undefined): Promise<string> {
    return (await this.#parts.connection.session({ signal, patienceMs: Infinity })).socket.url;
  }
}

/** Blocks that follow one another. */
interface Piece {
  readonly first: BlockNumber;
  readonly last: BlockNumber;
  readonly anchor: (number: BlockNumber) => BlockAnchor;
}

interface Failed {
  readonly frame: readonly BlockAnchor[];
  readonly error: RelayError;
}

/** Of a block that was told of there is the header. */
async function* next(
  last: BlockId,
  { number, hash, parentHash, stateRoot }: Head,
  proves: boolean,
): AsyncGenerator<Piece> {
  checkLink(last, parentHash);
  yield { first: number, last: number, anchor: () => ({ number, hash, stateRoot: proves ? stateRoot : undefined }) };
}

function checkLink(last: BlockId, parentHash: Hex): void {
  if (parentHash !== last.hash)
    throw new RelayError('cursor-not-on-chain', { details: { block: last.number, hash: last.hash } });
}
