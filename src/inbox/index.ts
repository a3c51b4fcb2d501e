export { createInbox } from './create-inbox.ts';
export type { InboxOptions } from './create-inbox.ts';
export { deadLetters } from './dead-letters.ts';
export type { DeadLetter } from './dead-letters.ts';
export type { Delivery, Inbox, InboxEvent } from './inbox.ts';
