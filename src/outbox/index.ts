export { createOutbox } from './create-outbox.ts';
export { postPhalaCommand } from './post-phala-command.ts';
export type { PhalaCommand, PostPhalaOptions } from './post-phala-command.ts';
export type { OutboxOptions } from './create-outbox.ts';
export type { Carried, OffChainCarrier } from './off-chain-carrier.ts';
export type { Arrival, Outbox, OutboxEntry, OutboxQueue, Receipt, SendMessage, SendStatus } from './outbox.ts';
export { openOutboxQueue } from './queue.ts';
