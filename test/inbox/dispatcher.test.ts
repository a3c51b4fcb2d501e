import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { OpenedMessage, Outcome } from '../../src/inbox/arrival.ts';
import { Dispatcher } from '../../src/inbox/dispatcher.ts';
import type { Delivery, InboxEvent } from '../../src/inbox/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import type { MessageRecord, StreamItem } from '../../src/inbox/stream-item.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { until } from '../support/until.ts';

const record: MessageRecord = {
  ...{ kind: 'message', envelope: new Uint8Array(4), block: undefined },
  ...{ isFinal: true, isAcknowledged: false, isRetracted: false, isProven: true },
};
const opened = { header: { fromKind: 'worker', from: '0x' }, body: {} } as unknown as OpenedMessage;

describe('what an inbox hands out', () => {
  /** Hands out items; what is acknowledged is so for good when `write` is called. */
  async function dispatching(
    items: readonly StreamItem[],
    onDelivery: (record: MessageRecord) => void = () => undefined,
  ) {
    const store = new InboxStore(openMemoryStore());
    await store.commit(store.runWrites(0n, items));
    const acknowledged: bigint[] = [];
    const told: bigint[] = [];
    const write = async (): Promise<void> => {
      const sequences = acknowledged.splice(0);
      await store.commit(await store.doneWrites(sequences));
      dispatcher.acknowledged(sequences);
    };
    const dispatcher = new Dispatcher({
      store,
      open: (messages) => Promise.resolve(messages.map(() => opened)),
      deliveryOf: (sequence, delivered) => {
        onDelivery(delivered);
        return { messageId: `0x${sequence}`, ack: () => acknowledged.push(sequence) } as unknown as Delivery;
      },
      eventOf: () => Promise.resolve({ type: 'gap', first: 1, last: 2 } as InboxEvent),
      settled: write,
      told: async (sequences) => {
        told.push(...sequences);
        await store.commit(await store.doneWrites(sequences));
      },
    });
    return { dispatcher, write, told, acknowledged };
  }

  const accepted = (sequence: bigint): Outcome => ({ type: 'message', sequence, record, opened });

  it('is nothing that a subscriber before acknowledged, though it was not durable then', async () => {
    const { dispatcher } = await dispatching(Array.from({ length: 6 }, () => record));
    const handedOut: string[] = [];
    const take = (most: number) =>
      dispatcher.events$.subscribe((event) => {
        if (event.type !== 'message') return;
        handedOut.push(event.delivery.messageId);
        if (handedOut.length <= most) void event.delivery.ack();
      });
    const first = take(3);
    await until(() => handedOut.length === 6);
    first.unsubscribe();
    handedOut.length = 0;
    take(Infinity);
    await until(() => handedOut.length >= 3);
    assert.deepEqual(handedOut, ['0x3', '0x4', '0x5']);
  });

  it('is no more notices behind an unacknowledged message than messages, and all of them in the end', async () => {
    const notices = Array.from({ length: 3_000 }, (): StreamItem => ({ kind: 'gap', first: 1, last: 2 }));
    const { dispatcher, write, told } = await dispatching([record, ...notices]);
    let count = 0;
    let delivery: Delivery | undefined;
    dispatcher.events$.subscribe((event) => {
      if (event.type === 'message') ({ delivery } = event);
      else count += 1;
    });
    let before = -1;
    await until(() => {
      const isStill = count > 0 && count === before;
      before = count;
      return isStill;
    });
    assert.ok(count < 1_024, `${count} notices`);
    assert.deepEqual(told, []);
    void delivery?.ack();
    await write();
    dispatcher.wake();
    await until(() => count === 3_000);
    await until(() => told.length === 3_000);
  });

  it('is what waits for room too, though the room comes at the moment of a look that found none', async () => {
    const { dispatcher, acknowledged } = await dispatching([]);
    const handedOut: string[] = [];
    dispatcher.events$.subscribe((event) => {
      if (event.type !== 'message') return;
      handedOut.push(event.delivery.messageId);
      void event.delivery.ack();
    });
    await idle();
    // More than may be handed out and not acknowledged.
    const outcomes = Array.from({ length: 1_100 }, (_, i) => accepted(BigInt(i)));
    dispatcher.offer(outcomes, 1_100n);
    assert.equal(handedOut.length, 1_024);
    dispatcher.wake();
    dispatcher.acknowledged(acknowledged.splice(0));
    dispatcher.offer([], 1_100n);
    await idle();
    assert.equal(handedOut.length, 1_100);
  });

  it('keeps no memory of what was read from the store with it', async () => {
    const large = { ...record, envelope: new Uint8Array(1_000) };
    const records: MessageRecord[] = [];
    const { dispatcher } = await dispatching(
      Array.from({ length: 50 }, () => large),
      (delivered) => records.push(delivered),
    );
    dispatcher.events$.subscribe();
    await until(() => records.length === 50);
    for (const { envelope } of records) assert.equal(envelope.buffer.byteLength, 1_000);
  });
});

/** Until all that goes on by itself has. */
async function idle(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await new Promise(setImmediate);
}
