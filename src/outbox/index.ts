export { createOutbox } from './create-outbox.ts';
export type { OutboxOptions } from './create-outbox.ts';
export type { Outbox, Receipt, SendOnChain, SendStatus } from './outbox.ts';
