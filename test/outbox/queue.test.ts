import assert from 'node:assert/strict';
import { openOutboxQueue } from '../../src/outbox/index.ts';
import { Change } from '../../src/outbox/outbox-change.ts';
import { OutboxStore } from '../../src/outbox/outbox-store.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { idOf, queuedRecord } from './records.ts';

describe('outbox: the queue as it is stored', () => {
  it('tells nobody to carry what went, though an earlier version left its place on the side of the chain', async () => {
    const disk = openMemoryStore();
    const store = new OutboxStore(disk);
    const record = queuedRecord();
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
