import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import { openOutboxQueue } from '../../src/outbox/index.ts';
import type { MessageRecord } from '../../src/outbox/message-record.ts';
import { Change } from '../../src/outbox/outbox-change.ts';
import { OutboxStore } from '../../src/outbox/outbox-store.ts';
import { openMemoryStore } from '../../src/store/index.ts';

const idOf = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`;

describe('outbox: the queue as it is stored', () => {
  it('tells nobody to carry what went, though an earlier version left its place on the side of the chain', async () => {
    const disk = openMemoryStore();
    const store = new OutboxStore(disk);
    const record: MessageRecord = {
      ...{ suite: 'v1', to: idOf(7), as: 'worker', via: 'auto', nonce: 1n, queuedAt: 1_000_000, bodyBytes: 1 },
      ...{
        maxFee: undefined,
        freshKey: false,
        readReceipt: false,
        deliveryReceipt: false,
        progress: { state: 'queued' },
      },
    };
    const [went, waits] = [
      await store.append({ record, body: Uint8Array.of(1), route: 'worker' }),
      await store.append({ record, body: Uint8Array.of(1), route: 'worker' }),
    ];
    const stored = await store.get(went);
    assert.ok(stored !== undefined);
    const relayed = { state: 'relayed', messageId: idOf(1), status: 'stored', endpoint: 'wss://relay' } as const;
    await store.commit(new Change().progress(stored, relayed).done(went), [stored]);
    const told: bigint[] = [];
    for await (const id of openOutboxQueue(disk).waitingOffChain()) told.push(id);
    assert.deepEqual(told, [waits]);
  });
});
