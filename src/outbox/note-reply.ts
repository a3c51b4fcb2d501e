import type { ReplyNotice } from './reply-notice.ts';
import { Change } from './outbox-change.ts';
import type { OutboxStore } from './outbox-store.ts';
import type { SendId } from './send-id.ts';

/**
 * Keeps what a recipient said of a message, whichever process works on the queue. undefined: it answers none that is asked
 * about, or is not of whom it went to.
 */
export async function noteReply(store: OutboxStore, reply: ReplyNotice): Promise<SendId | undefined> {
  const { inReplyTo, from, messageId, sentAt: readAt } = reply;
  const read = { messageId, readAt };
  for (;;) {
    const asked = await store.asked(inReplyTo);
    const stored = asked === undefined ? undefined : await store.get(asked.sendId);
    if (stored?.record.to.toLowerCase() !== from.toLowerCase()) return undefined;
    const { id: sendId } = stored;
    if (await store.commitBeside(new Change().read(sendId, read).unask(inReplyTo), [stored])) return sendId;
  }
}
