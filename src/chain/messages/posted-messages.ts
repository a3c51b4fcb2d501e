import { isRelayError, RelayError } from '../../errors/index.ts';
import type { BlockId, PostedMessage } from '../chain.ts';
import type { FoundMessage } from '../storage/outbound-messages.ts';

interface Found extends FoundMessage {
  readonly block: BlockId;
  readonly isProven: boolean;
}

/**
 * Messages of several blocks as they go out, with their payloads in memory of their own, in one piece: what others have in
 * the blocks is not to be held for them, and a piece for each costs more than copying it.
 */
export class PostedMessages {
  readonly #found: Found[] = [];
  #bytes = 0;

  add(block: BlockId, isProven: boolean, messages: readonly FoundMessage[]): void {
    for (const { sender, destination, source, payloadAt, payloadLength } of messages) {
      this.#found.push({ sender, destination, source, payloadAt, payloadLength, block, isProven });
      this.#bytes += payloadLength;
    }
  }

  /** Throws bad-storage where a payload is no hex. */
  take(): PostedMessage[] {
    const whole = new Uint8Array(this.#bytes);
    let end = 0;
    return this.#found.map(({ sender, destination, source, payloadAt, payloadLength, block, isProven: proven }) => {
      const begin = end;
      end += payloadLength;
      copyPayload(source, payloadAt, payloadLength, whole, begin, block);
      return { sender, destination, payload: whole.subarray(begin, end), block, proven };
    });
  }
}

function copyPayload(
  source: FoundMessage['source'],
  at: number,
  length: number,
  target: Uint8Array,
  to: number,
  block: BlockId,
): void {
  try {
    source.copy(at, length, target, to);
  } catch (cause) {
    if (!isRelayError(cause, 'bad-hex')) throw cause;
    const details = { what: 'PhalaMq.OutboundMessages', block: block.hash, reason: 'the node sent no hex' };
    throw new RelayError('bad-storage', { details, cause });
  }
}
