import { isRelayError, RelayError } from '../../errors/index.ts';
import type { BlockId } from '../head/head.ts';
import type { PostedMessage } from './messages.ts';
import type { FoundMessage } from '../storage/outbound-messages.ts';

interface OfBlock {
  readonly block: BlockId;
  readonly isProven: boolean;
  readonly messages: readonly FoundMessage[];
}

/** Bytes of payloads in one piece of memory: who keeps one of them keeps no more than that. */
const pieceBytes = 2 ** 15;

/**
 * Messages of several blocks as they go out, with their payloads in memory of their own, in a few pieces: what others have in
 * the blocks is not to be held for them, and a piece for each costs more than copying it.
 */
export class PostedMessages {
  readonly #blocks: OfBlock[] = [];

  add(block: BlockId, isProven: boolean, messages: readonly FoundMessage[]): void {
    if (messages.length > 0) this.#blocks.push({ block, isProven, messages });
  }

  /** Throws bad-storage where a payload is no hex. */
  take(): PostedMessage[] {
    let left = 0;
    for (const { messages } of this.#blocks) for (const { payloadLength } of messages) left += payloadLength;
    let piece = new ArrayBuffer(0);
    let at = 0;
    const posted: PostedMessage[] = [];
    for (const { block, isProven: proven, messages } of this.#blocks)
      for (const { sender, destination, source, payloadAt, payloadLength } of messages) {
        if (at + payloadLength > piece.byteLength) {
          piece = new ArrayBuffer(Math.max(payloadLength, Math.min(left, pieceBytes)));
          at = 0;
        }
        const payload = new Uint8Array(piece, at, payloadLength);
        at += payloadLength;
        left -= payloadLength;
        copyPayload(source, payloadAt, payload, block);
        posted.push({ sender, destination, payload, block, proven });
      }
    return posted;
  }
}

function copyPayload(source: FoundMessage['source'], at: number, target: Uint8Array, block: BlockId): void {
  try {
    source.copy(at, target.length, target, 0);
  } catch (cause) {
    if (!isRelayError(cause, 'bad-hex')) throw cause;
    const details = { what: 'PhalaMq.OutboundMessages', block: block.hash, reason: 'the node sent no hex' };
    throw new RelayError('bad-storage', { details, cause });
  }
}
