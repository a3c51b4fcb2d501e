import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import type { MessageRecord, Progress } from '../../src/outbox/message-record.ts';
import { Change } from '../../src/outbox/outbox-change.ts';
import type { SendStatus } from '../../src/outbox/outbox.ts';
import { OutboxStore } from '../../src/outbox/outbox-store.ts';
import { Receipts } from '../../src/outbox/receipts.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { replacing } from '../support/replacing.ts';

const hash = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`;
const queued: Progress = { state: 'queued' };
const submitted = (id: number): Progress => ({ state: 'submitted', messageId: hash(id) });
const record: MessageRecord = {
  ...{ suite: 'v1', to: hash(7), as: 'worker', via: 'chain', nonce: 1n, queuedAt: 1_000_000, bodyBytes: 1 },
  ...{ maxFee: undefined, freshKey: false, readReceipt: false, deliveryReceipt: false, progress: queued },
};
const message = { record, body: Uint8Array.of(1), lane: 'worker' } as const;
const inBlock = (id: number, block: number): Progress => ({
  ...{ state: 'inBlock', messageId: hash(id), blockHash: hash(100 + block), blockNumber: block },
});

describe('outbox: receipts', () => {
  it('tell what another process made of a message, also of the state that it was in, and nothing twice', async () => {
    const store = new OutboxStore(openMemoryStore());
    const id = await store.append(message);
    const receipts = new Receipts(store, () => 1_000_000);
    const told: SendStatus[] = [];
    const first = new Promise<void>((resolve) =>
      receipts.of(id, 1n).status$.subscribe((status) => {
        told.push(status);
        resolve();
      }),
    );
    await first;
    const course = [submitted(1), submitted(2), inBlock(2, 5), inBlock(2, 6)];
    for (const progress of course) {
      const stored = await store.get(id);
      assert.ok(stored !== undefined);
      assert.ok(await store.commit(new Change().progress(stored, progress), [stored]));
      await receipts.refresh();
      await receipts.refresh();
    }
    assert.deepEqual(told, [queued, ...course]);
    receipts.end();
  });

  for (const way of ['a look for what other processes did', 'a look at this one message'] as const)
    it(`tell nothing older than what was told while the store answered: ${way}`, async () => {
      const memory = openMemoryStore();
      const held: (() => void)[] = [];
      let isHolding = false;
      const slow = replacing(memory, {
        get: async (key) => {
          const value = await memory.get(key);
          if (isHolding) await new Promise<void>((resolve) => held.push(resolve));
          return value;
        },
      });
      const store = new OutboxStore(slow);
      const id = await store.append(message);
      const receipts = new Receipts(store, () => 1_000_000);
      const told: SendStatus[] = [];
      await new Promise<void>((resolve) => {
        receipts.of(id, 1n).status$.subscribe((status) => {
          told.push(status);
          resolve();
        });
      });
      isHolding = true;
      const looking = way === 'a look at this one message' ? receipts.look(id) : receipts.refresh();
      while (held.length === 0) await new Promise(setImmediate);
      receipts.tell(id, submitted(1));
      receipts.tell(id, inBlock(1, 5));
      for (const answer of held) answer();
      await looking;
      assert.deepEqual(told, [queued, submitted(1), inBlock(1, 5)]);
      receipts.end();
    });
});
