import type { Hex } from '../../src/codec/index.ts';
import { openOutboxQueue, queueMessage, type Queued, type QueueMessageOptions } from '../../src/outbox/index.ts';
import { OutboxStore } from '../../src/outbox/outbox-store.ts';
import type { TransactionalStore } from '../../src/store/index.ts';
import { alice, utf8 } from '../support/entities.ts';
import { idOf } from './records.ts';

/** Keeps bodies as they are: who reads the store sees what was queued. */
export const openVault: QueueMessageOptions['vault'] = {
  identity: idOf(9),
  keep: ({ body }) =>
    Promise.resolve(body.kind === 'data' && body.content instanceof Uint8Array ? body.content : new Uint8Array()),
};

/** Queues a message of some content as a worker, with a clock that stands still. */
export function queueing(
  store: TransactionalStore,
  content: string | Uint8Array,
  { to = idOf(7), ...options }: Partial<QueueMessageOptions> & { readonly to?: Hex } = {},
): Promise<Queued> {
  return queueMessage(
    { vault: openVault, genesisHash: idOf(1), account: alice, now: () => 1, ...options, store },
    { to, body: { kind: 'data', content: typeof content === 'string' ? utf8(content) : content } },
  );
}

/** Of a queue that {@link openVault} sealed, in the order of the numbers of the messages. */
export async function contentsIn(store: TransactionalStore): Promise<string[]> {
  const contents: string[] = [];
  for await (const { sendId } of openOutboxQueue(store).entries())
    contents.push(new TextDecoder().decode(await new OutboxStore(store).body(sendId)));
  return contents;
}
