import assert from 'node:assert/strict';
import type { Progress } from '../../src/outbox/message-record.ts';
import { Change } from '../../src/outbox/outbox-change.ts';
import type { SendStatus } from '../../src/outbox/outbox.ts';
import { OutboxStore } from '../../src/outbox/outbox-store.ts';
import { Receipts } from '../../src/outbox/receipts.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { replacing } from '../support/replacing.ts';
import { idOf, queuedRecord } from './records.ts';

const queued: Progress = { state: 'queued' };
const submitted = (id: number): Progress => ({ state: 'submitted', messageId: idOf(id) });
const message = { record: queuedRecord({ via: 'chain' }), body: Uint8Array.of(1), route: 'worker' } as const;
const inBlock = (id: number, block: number): Progress => ({
  ...{ state: 'inBlock', messageId: idOf(id), blockHash: idOf(100 + block), blockNumber: block },
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

  describe('while the store answers', () => {
    let memory: TransactionalStore;
    /** Is given what lets the next answer of the store go. */
    let hold: ((answer: () => void) => void) | undefined;
    let id: bigint;
    let receipts: Receipts;
    let told: SendStatus[];

    beforeEach(async () => {
      memory = openMemoryStore();
      const slow = replacing(memory, {
        get: async (key) => {
          const value = await memory.get(key);
          const held = hold;
          hold = undefined;
          if (held !== undefined) await new Promise<void>(held);
          return value;
        },
      });
      const store = new OutboxStore(slow);
      id = await store.append(message);
      receipts = new Receipts(store, () => 1_000_000);
      told = [];
      await new Promise<void>((resolve) => {
        receipts.of(id, 1n).status$.subscribe((status) => {
          told.push(status);
          resolve();
        });
      });
    });
    afterEach(() => {
      receipts.end();
    });

    const looks = {
      'a look for what other processes did': () => receipts.refresh(),
      'a look at this one message': () => receipts.look(id),
    };
    /** The store has been read; what is given lets its answer go. */
    const begin = async (look: () => Promise<unknown>): Promise<() => Promise<void>> => {
      let looking: Promise<unknown> | undefined;
      const answer = await new Promise<() => void>((resolve) => {
        hold = resolve;
        looking = look();
      });
      return async () => {
        answer();
        await looking;
      };
    };
    const write = async (progress: Progress): Promise<void> => {
      const store = new OutboxStore(memory);
      const stored = await store.get(id);
      assert.ok(stored !== undefined);
      assert.ok(await store.commit(new Change().progress(stored, progress), [stored]));
    };

    for (const [name, look] of Object.entries(looks)) {
      it(`tell nothing older than what was told: ${name}`, async () => {
        const answer = await begin(look);
        receipts.tell(id, submitted(1));
        receipts.tell(id, inBlock(1, 5));
        await answer();
        assert.deepEqual(told, [queued, submitted(1), inBlock(1, 5)]);
      });

      it(`tell what a later look finds, whose answer comes after that of one before: ${name}`, async () => {
        await write(submitted(1));
        const first = await begin(looks['a look for what other processes did']);
        await write(inBlock(1, 5));
        const second = await begin(look);
        await first();
        await second();
        assert.deepEqual(told, [queued, submitted(1), inBlock(1, 5)]);
      });

      it(`tell what a later look finds, and then nothing older: ${name}`, async () => {
        await write(submitted(1));
        const first = await begin(look);
        await write(inBlock(1, 5));
        const second = await begin(looks['a look at this one message']);
        await second();
        await first();
        assert.deepEqual(told, [queued, inBlock(1, 5)]);
      });

      it(`tell nothing older than what a later look finds as it was told: ${name}`, async () => {
        await write(submitted(1));
        const first = await begin(look);
        await write(queued);
        const second = await begin(looks['a look at this one message']);
        await second();
        await first();
        assert.deepEqual(told, [queued]);
      });
    }

    it('tell nothing older to whoever asks later', async () => {
      const first = await begin(looks['a look at this one message']);
      await write(submitted(1));
      const later: SendStatus[] = [];
      const second = await begin(
        () =>
          new Promise<void>((resolve) => {
            receipts.of(id, 1n).status$.subscribe((status) => {
              later.push(status);
              resolve();
            });
          }),
      );
      await first();
      await second();
      assert.deepEqual(later, [submitted(1)]);
    });
  });
});
