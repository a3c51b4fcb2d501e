export { createInbox } from './create-inbox.ts';
export type { InboxOptions } from './create-inbox.ts';
export type { DeadLetter } from './dead-letter.ts';
export type { GapPolicy } from './follow-finalized.ts';
export type { Delivery, HandleOptions, Inbox, InboxEvent } from './inbox.ts';
export { openInboxFiles } from './inbox-files.ts';
export type { InboxFiles, ListedLetter, PendingDelivery } from './inbox-files.ts';
export type { Retried } from './retry-letters.ts';
