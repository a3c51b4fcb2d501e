import type { BodyInput } from '../../codec/index.ts';
import type { SendingParts } from './sending.ts';
import { workOnQueue } from './working-queue.ts';

/** Messages that are queued and not yet gone: past that, standard input waits. */
const queuedAtMost = 256;

/**
 * Queues each line durably and sends it, in order, after what an earlier run left in the queue. What can't go is tried again,
 * until nothing has gone for as long as `--timeout` says; what is left then stays queued for the next run. Throws
 * still-queued, and what a message failed with.
 */
export async function sendLines(sending: SendingParts, lines: AsyncIterable<string>): Promise<void> {
  const { context, to } = sending;
  const { as, via, wait, freshKey } = context.flags;
  const until = wait === 'finalized' ? 'finalized' : 'inBlock';
  await using queue = await workOnQueue(sending);
  await queue.followLeft((entry) => entry.to === to);
  const fresh = freshKey === undefined ? {} : { freshKey };
  for await (const body of bodiesOf(lines)) {
    queue.follow(await queue.outbox.send({ to, body, as, via, ...fresh }), until);
    await queue.until(queuedAtMost - 1);
  }
  await queue.until(0);
}

/** Each line as a message. */
export async function* bodiesOf(lines: AsyncIterable<string>): AsyncIterable<BodyInput> {
  for await (const line of lines) yield { kind: 'data', content: new TextEncoder().encode(line) };
}
