export { createOutbox } from './create-outbox.ts';
export type { OutboxOptions } from './create-outbox.ts';
export { createRelayOutbox } from './create-relay-outbox.ts';
export type { RelayOutboxOptions } from './create-relay-outbox.ts';
export type { Carried, CarriedMessage, OffChainCarrier } from './off-chain-carrier.ts';
export type {
  Arrival,
  CancelOptions,
  DeliveryReceipt,
  Outbox,
  OutboxEntry,
  OutboxQueue,
  PhalaCommand,
  Posted,
  ReadReceipt,
  Receipt,
  RelayOutbox,
  RetryOptions,
  SendMessage,
  SendStatus,
  Suite,
} from './outbox.ts';
export type { ReplyNotice } from './reply-notice.ts';
export { openOutboxQueue } from './queue.ts';
export { watchDeliveries } from './watch-deliveries.ts';
export type { DeliveriesWatcher } from './watch-deliveries.ts';
export { queueMessage } from './queue-message.ts';
export type { Queued, QueueMessageOptions } from './queue-message.ts';
