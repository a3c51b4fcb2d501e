import type { BodyInput } from '../../codec/index.ts';
import { mannerOf, type SendingParts } from './sending.ts';
import { untilTold, type Asked } from './until-told.ts';
import { workOnQueue } from './working-queue.ts';

/** Messages that are queued and not yet gone: past that, standard input waits. */
const queuedAtMost = 256;

/**
 * Queues each line durably and sends it, in order, after what an earlier run left in the queue. What can't go is tried again,
 * until nothing has gone for as long as `--timeout` says; what is left then stays queued for the next run. Throws
 * still-queued, what a message failed with, and with `--wait delivered` or `read` what {@link untilTold} throws.
 */
export async function sendLines(sending: SendingParts, lines: AsyncIterable<string>): Promise<void> {
  const { context, to } = sending;
  const { wait } = context.flags;
  const until = wait === 'finalized' ? 'finalized' : 'inBlock';
  await using queue = await workOnQueue(sending);
  await queue.followLeft((entry) => entry.to === to);
  const isTold = wait === 'delivered' || wait === 'read';
  const asked: Asked[] = [];
  for await (const body of bodiesOf(lines)) {
    const receipt = await queue.outbox.send({ to, body, ...mannerOf(context.flags) });
    queue.follow(receipt, until);
    if (isTold) asked.push({ receipt, to });
    await queue.until(queuedAtMost - 1);
  }
  await queue.until(0);
  if (isTold) await untilTold(wait, asked, context);
}

/** Each line as a message. */
export async function* bodiesOf(lines: AsyncIterable<string>): AsyncIterable<BodyInput> {
  for await (const line of lines) yield { kind: 'data', content: new TextEncoder().encode(line) };
}
