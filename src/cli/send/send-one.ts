import { checkWay } from './check-way.ts';
import { orInterrupted } from './or-interrupted.ts';
import { mannerOf, type Sending } from './sending.ts';
import { untilTold } from './until-told.ts';
import { workOnQueue } from './working-queue.ts';

/**
 * Queues a message durably and sends it, after what waits for the same recipient. Throws no-endpoint and
 * recipient-unreachable before it is queued where it has no way that it may take, still-queued where it can't go within
 * `--timeout`, interrupted, what it failed with, and with `--wait delivered` or `read` what {@link untilTold} throws.
 */
export async function sendOne(sending: Sending): Promise<void> {
  const { to, body, context } = sending;
  const { wait } = context.flags;
  checkWay(sending);
  await using queue = await workOnQueue(sending);
  const send = async (): Promise<void> => {
    const receipt = await queue.outbox.send({ to, body, ...mannerOf(context.flags) });
    queue.follow(receipt, wait === 'finalized' ? 'finalized' : 'inBlock');
    await queue.until(0);
    if (wait === 'delivered' || wait === 'read') await untilTold(wait, [{ receipt, to }], context);
  };
  await orInterrupted(send, () => ({ queued: queue.progress.left }));
  await queue.carryLeft();
}
