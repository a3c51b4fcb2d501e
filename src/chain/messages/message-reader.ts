import { equalBytes, fromHex, type Hex } from '../../codec/index.ts';
import { isRelayError, type RelayError } from '../../errors/index.ts';
import { anySignal, throwIfAborted } from '../abort.ts';
import type { BlockId, Head } from '../head/head.ts';
import type { BlockNumber } from '../block-number.ts';
import type { MessageSpan, Messages, MessagesOptions, OutboundMessage, PostedMessage } from './messages.ts';
import type { LatestValue } from '../head/latest-value.ts';
import type { NewestHead } from '../head/newest-heads.ts';
import type { ForkWitness } from '../quorum/fork-witness.ts';
import type { Connection } from '../rpc/connection.ts';
import type { FoundMessage } from '../storage/outbound-messages.ts';
import { inWindow } from '../storage/in-window.ts';
import { OversizedAnswer } from '../storage/oversized-answer.ts';
import { framesOf, linkedPieces, listedPieces, nextPiece, type Frame } from './frames.ts';
import { callsAtOnce, fewBlocks } from './block-anchor.ts';
import type { HashRuns } from '../head/hash-runs.ts';
import type { HeaderChain } from '../head/header-chain.ts';
import { mayContain } from './may-contain.ts';
import { hashesFrom, lastWithout } from './missing-blocks.ts';
import { ByteSource } from './message-source.ts';
import { bytesOf, lengthOf, messagesTo, type OutboundValue, type StoredMessages } from './outbound-value.ts';
import type { OutboundValues } from './outbound-values.ts';
import { PostedMessages } from './posted-messages.ts';

/** Frames under way at once, each of some blocks. */
const framesInFlight = 4;
/** What one frame is to bring of messages, about: full blocks make frames of fewer blocks. */
const frameBytes = 2 ** 20;
/** How many times more blocks the next frames may have than one that came. */
const growth = 4;

export interface MessageReaderParts {
  readonly connection: Connection;
  readonly values: OutboundValues;
  readonly headers: HeaderChain;
  readonly hashes: HashRuns;
  readonly forks: Pick<ForkWitness, 'judge'>;
  /** Listens to the newest finalized head until it is disposed. */
  readonly listen: () => LatestValue<NewestHead>;
  /** A finalized block at or after `from` to hold others against, once the node told of `told`. */
  readonly trusted: (told: Head, from: BlockNumber, signal: AbortSignal) => Promise<BlockId>;
  /** By the metadata of the runtime that made a block. Throws bad-storage. */
  readonly decode: (block: Hex, value: Uint8Array, signal?: AbortSignal) => Promise<OutboundMessage[]>;
}

/** `OutboundMessages` of blocks, many at once; what several readers want is read once. */
export class MessageReader implements Messages {
  readonly #parts: MessageReaderParts;
  /** Nodes that give no proofs. */
  readonly #withoutProofs = new Set<string>();
  #blocksPerFrame = callsAtOnce;

  constructor(parts: MessageReaderParts) {
    this.#parts = parts;
  }

  async *follow(
    after: BlockId,
    options: MessagesOptions,
    callerSignal?: AbortSignal,
  ): AsyncGenerator<MessageSpan, never> {
    const { connection, listen, forks } = this.#parts;
    const leaving = new AbortController();
    const signal = anySignal(callerSignal, connection.stopped, leaving.signal);
    throwIfAborted(signal);
    using newest = listen();
    using _reading = this.#parts.values.enter();
    let last = after;
    /** Who told of the last one, or listed it. */
    let giver = '';
    let lost = 0;
    let failures = 0;
    try {
      for (;;) {
        const { number } = last;
        const { value, version } = await newest.next(
          signal,
          (told) => told.version > lost && told.value.head.number > number,
        );
        try {
          const gave = (url = value.url): void => void (giver = url);
          for await (const span of this.#upTo(value.head, last, { options, callerSignal, gave }, signal)) {
            yield span;
            last = span.through;
            failures = 0;
          }
        } catch (error) {
          const isOdd = isRelayError(error, 'cursor-not-on-chain');
          if (isOdd && error.details?.['block'] === number) {
            // One node alone may have told of a head that does not follow, or listed other blocks.
            const teller = String(error.details['url'] ?? value.url);
            const verdict = await forks.judge({ given: last, giver, teller }, signal);
            if (verdict !== 'passed') throw error;
            lost = version;
            continue;
          }
          // Two nodes listed blocks beyond the last one that do not follow one another: neither is to blame yet.
          const isUnknown = isOdd || isRelayError(error, 'state-discarded');
          if (!isUnknown && !isRelayError(error, 'chain-unreachable')) throw error;
          // A node that is away for long is waited for: nothing is missed by that.
          const { id } = await connection.session({ signal, patienceMs: Infinity });
          if (!isUnknown) continue;
          // Nobody has what was told of: the next one tells what is final.
          const mayGoOn = ++failures <= connection.options.endpoints.length;
          if (id === value.session && !(mayGoOn && connection.distrust(value.url, error.message))) throw error;
          lost = version;
        }
      }
    } finally {
      leaving.abort();
    }
  }

  async at(head: Head, options: MessagesOptions, signal?: AbortSignal): Promise<PostedMessage[]> {
    const read = async (stateRoot: Uint8Array | undefined): Promise<PostedMessage[]> => {
      const read = await this.#parts.values.read([{ ...head, stateRoot }], signal);
      const found = new PostedMessages();
      for (const value of read) await this.#find(value, found, options, signal);
      return found.take();
    };
    return this.#provenOrNot(options, signal, (proves) => read(proves ? fromHex(head.stateRoot) : undefined));
  }

  /** Ends early where blocks are missing, or the way of reading has to change. */
  async *#upTo(
    told: Head,
    last: BlockId,
    { options, callerSignal, gave }: Following,
    signal: AbortSignal,
  ): AsyncGenerator<MessageSpan> {
    const proves = await this.#proves(options, signal);
    const target = proves ? await this.#parts.trusted(told, last.number + 1, signal) : told;
    const { values, headers, hashes } = this.#parts;
    const isNext = target.hash === told.hash && told.number === last.number + 1;
    const pieces = isNext
      ? nextPiece(last, told, proves)
      : proves
        ? linkedPieces(headers, last, target, signal)
        : listedPieces(hashes, last, target, signal);
    const frames = framesOf(pieces, () => this.#blocksPerFrame);
    const readNow = async (frame: Frame): Promise<ReadFrame | Failed> => {
      try {
        return { frame, values: await values.read(frame.anchors, signal) };
      } catch (error) {
        if (isRelayError(error, 'state-discarded')) return { frame, error };
        throw error;
      }
    };
    const read = (frame: Frame): Promise<ReadFrame | Failed | TooLarge> =>
      readNow(frame).catch((error: unknown) => {
        if (error instanceof OversizedAnswer) return { tooLarge: frame };
        throw error;
      });
    try {
      for await (const whole of inWindow(frames, framesInFlight, read))
        for (const part of 'tooLarge' in whole ? fewOf(whole.tooLarge) : [whole]) {
          const result = 'anchors' in part ? await readNow(part) : part;
          gave(result.frame.url);
          if ('error' in result) {
            yield* this.#aroundMissing(result, target, { options, callerSignal, proves }, signal);
            return;
          }
          yield await this.#span(result, options, signal);
        }
    } catch (error) {
      if (!proves || !(await this.#goesWithout(error, options, signal))) throw error;
    }
  }

  async #span({ frame, values }: ReadFrame, options: MessagesOptions, signal: AbortSignal): Promise<MessageSpan> {
    let bytes = 1;
    const found = new PostedMessages();
    for (const read of values) {
      if (read.value === undefined) continue;
      bytes += lengthOf(read.value);
      // Most need nothing of the node, and cost no turn of the event loop then.
      const more = this.#find(read, found, options, signal);
      if (more !== undefined) await more;
    }
    // It grows by what came: one of full blocks is as much as a node sends.
    const most = Math.min(this.#parts.values.blocksAtOnce, Math.max(this.#blocksPerFrame, growth * values.length));
    this.#blocksPerFrame = powerOfTwoBelow(Math.min(most, (frameBytes * values.length) / bytes));
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
    const { values, headers, hashes } = this.#parts;
    for (const anchor of frame.anchors) {
      try {
        const one = { anchors: [anchor], through: anchor };
        yield await this.#span({ frame: one, values: await values.read([anchor], signal) }, options, signal);
      } catch (again) {
        if (!isRelayError(again, 'state-discarded')) throw again;
        const piecesAfter = (until: AbortSignal | undefined) => (block: BlockId) =>
          proves ? linkedPieces(headers, block, target, until) : listedPieces(hashes, block, target, until);
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

  /** What is to be waited for, where its layout is another one. */
  #find(
    { block, value, isProven }: OutboundValue,
    found: PostedMessages,
    { topics }: MessagesOptions,
    signal: AbortSignal | undefined,
  ): Promise<void> | undefined {
    if (value === undefined) return undefined;
    const { number, hash } = block;
    const messages = messagesTo(topics, value);
    if (messages === undefined) return this.#findForeign({ number, hash }, value, found, topics, signal);
    found.add({ number, hash }, isProven, messages);
    return undefined;
  }

  /** The same bytes by the runtime's metadata: nothing proves those. */
  async #findForeign(
    block: BlockId,
    value: StoredMessages,
    found: PostedMessages,
    topics: readonly Uint8Array[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const bytes = bytesOf(value, block.hash);
    if (!mayContain(bytes, topics)) return;
    const all = await this.#parts.decode(block.hash, bytes, signal);
    const ours = all.filter(({ destination }) => topics.some((topic) => equalBytes(topic, destination)));
    found.add(block, false, ours.map(foundAlready));
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
    this.#withoutProofs.add(String(error.details?.['url'] ?? (await this.#url(signal))));
    return true;
  }

  async #url(signal: AbortSignal | undefined): Promise<string> {
    return (await this.#parts.connection.session({ signal, patienceMs: Infinity })).socket.url;
  }
}

/** What a stream was asked for. */
interface Following {
  readonly options: MessagesOptions;
  readonly callerSignal: AbortSignal | undefined;
  /** Called before blocks are given, with who listed their hashes; undefined where they lead to what was told of. */
  readonly gave: (url: string | undefined) => void;
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

function foundAlready({ sender, destination, payload }: OutboundMessage): FoundMessage {
  return { sender, destination, source: new ByteSource(payload), payloadAt: 0, payloadLength: payload.length };
}

/** The same blocks, a few at a time: they are read when it is their turn. */
function fewOf({ anchors, through }: Frame): Frame[] {
  const parts: Frame[] = [];
  for (let at = 0; at < anchors.length; at += fewBlocks) {
    const few = anchors.slice(at, at + fewBlocks);
    parts.push({ anchors: few, through: few.at(-1) ?? through });
  }
  return parts;
}

function powerOfTwoBelow(number: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, number)));
}
