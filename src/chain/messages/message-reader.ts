import { isRelayError, RelayError } from '../../errors/index.ts';
import { LinkedAbort } from '../../signals/index.ts';
import { throwIfAborted } from '../abort.ts';
import type { BlockId, Head } from '../head/head.ts';
import type { LatestValue } from '../head/latest-value.ts';
import type { NewestHead } from '../head/newest-heads.ts';
import type { ForkWitness } from '../quorum/fork-witness.ts';
import { GivenBlocks } from './given-blocks.ts';
import { MessageFinder, type DecodeMessages } from './message-finder.ts';
import type { MessageSpan, Messages, MessagesOptions, PostedMessage } from './messages.ts';
import { MissingBlocks } from './missing-blocks.ts';
import { SpanReader, type SpanReaderParts } from './span-reader.ts';

export interface MessageReaderParts extends Omit<SpanReaderParts, 'finder'> {
  readonly forks: Pick<ForkWitness, 'judge' | 'firstMadeUp'>;
  /** Listens to the newest finalized head until it is disposed. */
  readonly listen: () => LatestValue<NewestHead>;
  readonly decode: DecodeMessages;
}

/** `OutboundMessages` of finalized blocks; what several readers want is read once. */
export class MessageReader implements Messages {
  readonly #parts: MessageReaderParts;
  readonly #spans: SpanReader;

  constructor(parts: MessageReaderParts) {
    this.#parts = parts;
    this.#spans = new SpanReader({ ...parts, finder: new MessageFinder(parts.decode) });
  }

  async *follow(
    after: BlockId,
    options: MessagesOptions,
    callerSignal?: AbortSignal,
  ): AsyncGenerator<MessageSpan, never> {
    const { connection, listen, forks } = this.#parts;
    using leaving = new LinkedAbort(callerSignal, connection.stopped);
    const { signal } = leaving;
    throwIfAborted(signal);
    using newest = listen();
    using _reading = this.#parts.values.enter();
    const given = new GivenBlocks(after);
    const endpoints = connection.options.endpoints.length;
    let missing: MissingBlocks | undefined;
    let lost = 0;
    let failures = 0;
    const isOvertaken = (block: BlockId): boolean => (newest.newest?.value.head.number ?? 0) > block.number;
    try {
      for (;;) {
        missing ??= new MissingBlocks(given.last);
        const { number } = missing.last;
        const { value, version } = await newest.next(
          signal,
          (told) => told.version > lost && told.value.head.number > number,
        );
        const { head, url: teller } = value;
        try {
          const following = { options, callerSignal, isOvertaken };
          for await (const { span, url = teller } of this.#spans.upTo(head, missing, following, signal)) {
            // What was just told of is not forgotten yet: it may have been made up.
            const isOfHead = span.type === 'missing' && span.through.hash === head.hash;
            if (isOfHead && connection.hasOthers && failures < endpoints)
              throw new RelayError('state-discarded', { details: { block: head.hash, reason: span.reason } });
            yield span;
            given.add(span.through, url);
            failures = 0;
          }
        } catch (error) {
          const isUnreachable = isRelayError(error, 'chain-unreachable');
          // Else the blocks that were found missing may have been made up.
          if (!isUnreachable) missing = undefined;
          const isOdd = isRelayError(error, 'cursor-not-on-chain');
          if (isOdd && error.details?.['block'] === given.last.number) {
            // One node alone may have told of a head that does not follow, or listed other blocks; or what was given was its own.
            const teller = String(error.details['url'] ?? value.url);
            const verdict = await forks.judge({ given: given.last, giver: given.giver, teller }, signal);
            if (verdict === 'open') throw error;
            if (verdict === 'passed') lost = version;
            else yield { type: 'retracted', through: await given.takeBack(forks, error, signal) };
            continue;
          }
          // Two nodes listed blocks beyond the last one that do not follow one another: neither is to blame yet.
          const isUnknown = isOdd || isRelayError(error, 'state-discarded');
          if (!isUnknown && !isUnreachable) throw error;
          // A node that is away for long is waited for: nothing is missed by that.
          const { id } = await connection.session({ signal, patienceMs: Infinity });
          if (!isUnknown) continue;
          // Nobody has what was told of: the next one tells what is final.
          const mayGoOn = ++failures <= endpoints;
          if (id === value.session && !(mayGoOn && connection.distrust(value.url, error.message))) throw error;
          lost = version;
        }
      }
    } finally {
      leaving.abort();
    }
  }

  at(head: Head, options: MessagesOptions, signal?: AbortSignal): Promise<PostedMessage[]> {
    return this.#spans.at(head, options, signal);
  }
}
