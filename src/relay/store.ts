import type { Hex } from '../codec/index.ts';
import type { MailStore } from '../store/mail-store.ts';
import type { Ingested } from './ingest.ts';
import type { RelayLimits } from './limits.ts';
import { replyBox } from './reply-box.ts';

export interface StoreOptions {
  readonly mailStore: Pick<MailStore, 'append'>;
  /** Whether room in mailboxes is kept for a sender. */
  readonly isKnown: (sender: Hex) => boolean;
  readonly limits: Pick<RelayLimits, 'maxReplyBoxes'>;
}

/**
 * Third stage: a verified message to disk, where its recipient finds it. Resolves when it is durable. Throws mailbox-full,
 * mail-store-failed.
 */
export interface Store {
  /** Into the mailbox of who it is for. */
  keep(message: Ingested): Promise<'stored' | 'duplicate'>;
  /** Into the reply box of the key that it is sealed to (docs/relay.md). Throws reply-boxes-full, too. */
  keepReply(message: Ingested): Promise<'stored' | 'duplicate'>;
}

export function createStore({ mailStore, isKnown, limits }: StoreOptions): Store {
  return {
    async keep({ header: { from, to, sentAt }, messageId, bytes }) {
      const origin = { sender: from, isKnown: isKnown(from) };
      const { duplicate } = await mailStore.append(to, messageId, bytes, origin, Number(sentAt));
      return duplicate ? 'duplicate' : 'stored';
    },
    async keepReply({ header: { from, to, recipientKey, sentAt }, messageId, bytes }) {
      // Only who has mail here leaves a reply here: no stranger, but one of many.
      const origin = { sender: from, isKnown: true, maxBoxes: limits.maxReplyBoxes };
      const box = replyBox(to, recipientKey);
      const { duplicate } = await mailStore.append(box, messageId, bytes, origin, Number(sentAt));
      return duplicate ? 'duplicate' : 'stored';
    },
  };
}
