import { isRelayError } from '../../errors/index.ts';
import type { Outbox } from '../../outbox/index.ts';
import { short, type Output } from '../output.ts';

/** Messages that are followed at a time, however many there are. */
const followedAtOnce = 256;

/**
 * Says, to people, which of these messages are in a block: this command's account pays for them, and they are on chain for good.
 * Oldest first, as they go; until the outbox stops. Throws aborted then, and what the store throws.
 */
export async function tellOnChain(
  outbox: Pick<Outbox, 'receipt'>,
  sendIds: readonly bigint[],
  output: Output,
): Promise<void> {
  if (output.isJson) return;
  const left = sendIds.values();
  const tellNext = async (): Promise<void> => {
    for (const sendId of left) await tell(outbox, sendId, output);
  };
  await Promise.all(Array.from({ length: Math.min(followedAtOnce, sendIds.length) }, tellNext));
}

async function tell(outbox: Pick<Outbox, 'receipt'>, sendId: bigint, output: Output): Promise<void> {
  const receipt = await outbox.receipt(sendId);
  const arrival = await receipt?.reached('inBlock').catch((error: unknown) => {
    // One that does not go is not what the command was asked for: outbox ls tells.
    if (isRelayError(error, 'aborted')) throw error;
    return undefined;
  });
  if (arrival === undefined || arrival.state === 'relayed') return;
  const { messageId, blockNumber } = arrival;
  output.say(
    `Message ${sendId}, which was left by an earlier command, went too: ${short(messageId)} in block ${blockNumber}.`,
  );
}
