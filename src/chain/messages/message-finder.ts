import { equalBytes, type Hex } from '../../codec/index.ts';
import type { BlockId } from '../head/head.ts';
import type { FoundMessage } from '../storage/outbound-messages.ts';
import { mayContain } from './may-contain.ts';
import { ByteSource } from './message-source.ts';
import type { OutboundMessage } from './messages.ts';
import { bytesOf, messagesTo, type OutboundValue, type StoredMessages } from './outbound-value.ts';
import type { PostedMessages } from './posted-messages.ts';

/** By the metadata of the runtime that made a block. Throws bad-storage. */
export type DecodeMessages = (block: Hex, value: Uint8Array, signal?: AbortSignal) => Promise<OutboundMessage[]>;

/** Finds in what a block holds the messages to some topics. */
export class MessageFinder {
  readonly #decode: DecodeMessages;

  constructor(decode: DecodeMessages) {
    this.#decode = decode;
  }

  /** Adds them to `found`. Gives what is to be waited for, where the layout is another one: most need nothing of the node. */
  find(
    { block, value, isProven }: OutboundValue,
    found: PostedMessages,
    topics: readonly Uint8Array[],
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
    const all = await this.#decode(block.hash, bytes, signal);
    const ours = all.filter(({ destination }) => topics.some((topic) => equalBytes(topic, destination)));
    found.add(block, false, ours.map(foundAlready));
  }
}

function foundAlready({ sender, destination, payload }: OutboundMessage): FoundMessage {
  return { sender, destination, source: new ByteSource(payload), payloadAt: 0, payloadLength: payload.length };
}
