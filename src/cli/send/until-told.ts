import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { Receipt } from '../../outbox/index.ts';
import { LinkedAbort } from '../../signals/index.ts';
import type { Context } from '../command.ts';
import { short } from '../output.ts';
import { timeoutMs } from '../session.ts';

/** What `send --receipt` asks about. */
export const words = ['delivered', 'read'] as const;
export type Word = (typeof words)[number];

export interface Asked {
  readonly receipt: Receipt;
  readonly to: Hex;
}

/**
 * Prints which messages were delivered, or read, until all were. Throws not-delivered-yet or not-read-yet where no word comes
 * for as long as `--timeout`, what `Receipt.delivered` or `Receipt.read` throws, aborted.
 */
export async function untilTold(word: Word, all: readonly Asked[], context: Context<object>): Promise<void> {
  const { settings, signal } = context;
  using ended = new LinkedAbort(signal);
  const giveUp = (): void => {
    ended.abort();
  };
  let left = all.length;
  let timer = setTimeout(giveUp, timeoutMs(settings));
  try {
    await Promise.all(
      all.map(async (asked) => {
        await (word === 'read' ? printRead : printDelivered)(context, asked, ended.signal);
        left -= 1;
        clearTimeout(timer);
        timer = setTimeout(giveUp, timeoutMs(settings));
      }),
    );
  } catch (error) {
    if (signal.aborted || !ended.signal.aborted) throw error;
    const code = word === 'read' ? 'not-read-yet' : 'not-delivered-yet';
    throw new RelayError(code, { details: { count: left }, cause: error });
  } finally {
    clearTimeout(timer);
  }
}

async function printDelivered({ output }: Context<object>, { receipt, to }: Asked, signal: AbortSignal): Promise<void> {
  const { sendId } = receipt;
  const { deliveredAt } = await receipt.delivered(signal);
  const { messageId } = await receipt.reached('inBlock', signal);
  output.print(
    { event: 'delivered', sendId, messageId, to, deliveredAt },
    `${short(to)} has taken message ${sendId} (${short(messageId)}).`,
  );
}

async function printRead({ output }: Context<object>, { receipt }: Asked, signal: AbortSignal): Promise<void> {
  const { sendId } = receipt;
  const { messageId, readAt } = await receipt.read(signal);
  output.print(
    { event: 'read', sendId, messageId, readAt },
    `Message ${sendId} was read at ${new Date(Number(readAt)).toISOString()} (${short(messageId)}).`,
  );
}
