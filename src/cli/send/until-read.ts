import { RelayError } from '../../errors/index.ts';
import type { ReadReceipt, Receipt } from '../../outbox/index.ts';
import type { Context } from '../command.ts';
import { short } from '../output.ts';
import { timeoutMs } from '../session.ts';

/**
 * Prints whose recipients say that they have read a message, until all have. Throws not-read-yet where none says so for as long
 * as `--timeout`, read-timeout, aborted.
 */
export async function untilRead(receipts: readonly Receipt[], context: Context<object>): Promise<void> {
  const { settings, signal } = context;
  const patience = new AbortController();
  const giveUp = (): void => {
    patience.abort();
  };
  let left = receipts.length;
  let timer = setTimeout(giveUp, timeoutMs(settings));
  const ended = AbortSignal.any([signal, patience.signal]);
  try {
    await Promise.all(
      receipts.map(async (receipt) => {
        printRead(context, receipt.sendId, await receipt.read(ended));
        left -= 1;
        clearTimeout(timer);
        timer = setTimeout(giveUp, timeoutMs(settings));
      }),
    );
  } catch (error) {
    if (signal.aborted || !patience.signal.aborted) throw error;
    throw new RelayError('not-read-yet', { details: { count: left }, cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function printRead({ output }: Context<object>, sendId: bigint, { messageId, readAt }: ReadReceipt): void {
  output.print(
    { event: 'read', sendId, messageId, readAt },
    `Message ${sendId} was read at ${new Date(Number(readAt)).toISOString()} (${short(messageId)}).`,
  );
}
