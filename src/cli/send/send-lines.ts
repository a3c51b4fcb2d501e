import type { BodyInput } from '../../codec/index.ts';
import { AwaitedWords } from './awaited-words.ts';
import { checkWay } from './check-way.ts';
import { orInterrupted } from './or-interrupted.ts';
import { mannerOf, type SendingParts } from './sending.ts';
import { workOnQueue } from './working-queue.ts';
import { warn } from '../warn.ts';

/** Messages that are queued and not yet gone: past that, standard input waits. */
const queuedAtMost = 256;
/** Messages since the oldest that a word is waited for of: past that, too. The queue forgets the oldest of 10 000 that went. */
const awaitedAtMost = 8_192;

/**
 * Queues each line durably and sends it, in order, after what an earlier run left in the queue. What can't go is tried again,
 * until nothing has gone for as long as `--timeout` says; what is left then stays queued for the next run. Of a message that
 * fails it is said at once; the line that is read next is the last. Throws still-queued, interrupted, what the first of those
 * failed with, and with `--wait delivered` or `read` what {@link AwaitedWords.until} throws, or, after the others, why no word
 * will come of one.
 */
export async function sendLines(sending: SendingParts, lines: AsyncIterable<string>): Promise<void> {
  const { context, to } = sending;
  const { flags, signal } = context;
  const { wait } = flags;
  const until = wait === 'finalized' ? 'finalized' : 'inBlock';
  checkWay(sending);
  await using queue = await workOnQueue(sending, {
    isMeant: (entry) => entry.to === to,
    // Its line may be the last for long.
    onFailure: (sendId, error) => {
      if (error.code !== 'aborted') warn(`message ${sendId} failed: ${error.message}`, error);
    },
  });
  using awaited = wait === 'delivered' || wait === 'read' ? new AwaitedWords(wait, context) : undefined;
  let read = 0;
  const send = async (): Promise<void> => {
    for await (const body of bodiesOf(lines)) {
      if (signal.aborted) break;
      read += 1;
      const receipt = await queue.outbox.send({ to, body, ...mannerOf(flags) });
      queue.follow(receipt, until);
      awaited?.add({ receipt, to });
      await queue.until(queuedAtMost - 1);
      await awaited?.until(awaitedAtMost - 1);
    }
    await queue.until(0);
    // There may be more to read.
    signal.throwIfAborted();
    await awaited?.until(0);
  };
  const sendUnlessInterrupted = (): Promise<void> =>
    send().catch((error: unknown) => {
      // There may be more to read, and what failed was said.
      if (error === queue.progress.failure) signal.throwIfAborted();
      throw error;
    });
  await orInterrupted(sendUnlessInterrupted, () => ({ queued: queue.progress.left, lines: read }));
  if (awaited?.untold !== undefined) throw awaited.untold.error;
}

/** Each line as a message. */
export async function* bodiesOf(lines: AsyncIterable<string>): AsyncIterable<BodyInput> {
  for await (const line of lines) yield { kind: 'data', content: new TextEncoder().encode(line) };
}
