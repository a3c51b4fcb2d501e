import type { Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
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
 * for as long as `--timeout`, aborted. Of those that no word will come of `onUntold` is told, after the others; by default
 * it throws why of the first, which is what `Receipt.delivered` or `Receipt.read` throws.
 */
export async function untilTold(
  word: Word,
  all: readonly Asked[],
  context: Context<object>,
  onUntold: (why: readonly [RelayError, ...RelayError[]]) => void = throwFirst,
): Promise<void> {
  const { settings, signal } = context;
  using ended = new LinkedAbort(signal);
  const giveUp = (): void => {
    ended.abort();
  };
  const untold: RelayError[] = [];
  let left = all.length;
  let timer = setTimeout(giveUp, timeoutMs(settings));
  try {
    await Promise.all(
      all.map(async (asked) => {
        try {
          await (word === 'read' ? printRead : printDelivered)(context, asked, ended.signal);
        } catch (error) {
          if (ended.signal.aborted || !isRelayError(error)) throw error;
          untold.push(error);
        }
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
  const [first, ...others] = untold;
  if (first !== undefined) onUntold([first, ...others]);
}

function throwFirst([first]: readonly [RelayError, ...RelayError[]]): never {
  throw first;
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
