import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { encodeEnvelope, toHex, type HeaderInput, type Hex } from '../../src/codec/index.ts';
import { decodeV1 } from '../../src/crypto/core.ts';
import type { OpenedMessage, Outcome } from '../../src/inbox/arrival.ts';
import { Dispatcher } from '../../src/inbox/dispatcher.ts';
import { FairShares, type Sender } from '../../src/inbox/fair-shares.ts';
import type { Delivery } from '../../src/inbox/index.ts';
import type { Bounds } from '../../src/inbox/in-flight.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { serial } from '../../src/inbox/serial.ts';
import type { MessageRecord, StreamItem } from '../../src/inbox/stream-item.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { messageRecord } from '../support/message-record.ts';
import { until } from '../support/until.ts';

const record = messageRecord();
const opened = { header: { fromKind: 'worker', from: '0x' }, body: {} } as unknown as OpenedMessage;

/** Ids of workers of the chain, and of senders that are not. */
const worker = (n: number): Hex => idOf(1, n);
const stranger = (n: number): Hex => idOf(2, n);

function idOf(kind: number, n: number): Hex {
  const id = new Uint8Array(32);
  id.set([kind, n >> 8, n & 255]);
  return toHex(id);
}

/** A stored message; nobody opens it. */
function messageOf(from: Hex): MessageRecord {
  const key = new Uint8Array(32);
  const keys = { to: key, senderKey: key, recipientKey: key };
  const header: HeaderInput = { fromKind: 'worker', from, ...keys, nonce: 1n, sentAt: 1n };
  return messageRecord({ envelope: encodeEnvelope({ suite: 'v1', header, iv: key.slice(0, 12), ciphertext: key }) });
}

function openedOf({ envelope }: MessageRecord): OpenedMessage {
  return envelope[0] === 1 ? { header: decodeV1(envelope).header, body: opened.body } : opened;
}

describe('what an inbox hands out', () => {
  /** Hands out items; what is acknowledged is so for good when `write` is called. */
  async function dispatching(
    items: readonly StreamItem[],
    onDelivery: (record: MessageRecord) => void = () => undefined,
    isRegistered = (id: Hex): boolean => id.startsWith('0x01'),
    bounds: { most?: Bounds } = {},
  ) {
    const store = new InboxStore(openMemoryStore());
    await store.commit([...store.runWrites(0n, items), store.sequenceWrite(BigInt(items.length))]);
    const acknowledged: bigint[] = [];
    const told: bigint[] = [];
    const inTurn = serial();
    const write = (most = Infinity): Promise<void> =>
      inTurn(async () => {
        const sequences = acknowledged.splice(0, most);
        await store.commit(await store.doneWrites(sequences));
        dispatcher.acknowledged(sequences);
      });
    const dispatcher = new Dispatcher({
      store,
      open: (messages) => Promise.resolve(messages.map(([, message]) => openedOf(message))),
      deliveryOf: (sequence, delivered, { header }, place) => {
        onDelivery(delivered);
        const ack = (): void => {
          place.release();
          acknowledged.push(sequence);
        };
        const leave = (): void => {
          place.release();
          dispatcher.left(sequence);
        };
        return { ...{ messageId: `0x${sequence}`, from: header.from }, ack, leave } as unknown as Delivery;
      },
      eventOf: async (item) =>
        item.kind === 'reinstated' || item.kind === 'retracted'
          ? { type: item.kind, messageId: item.messageId }
          : item.kind === 'finalized'
            ? { type: 'finalized', messageId: item.messageId, proven: item.isProven }
            : item.kind === 'dead'
              ? { type: 'dead', messageId: `0x${item.letter}`, from: undefined, code: 'open-failed' }
              : { type: 'gap', first: 1, last: 2 },
      settled: () => write(),
      handOver: () => Promise.reject(new Error('nothing waits')),
      told: (sequences) =>
        inTurn(async () => {
          told.push(...sequences);
          await store.commit(await store.doneWrites(sequences));
        }),
      isRegistered,
      onFailure: (error) => {
        dispatcher.fail(error);
      },
      ...bounds,
    });
    return { dispatcher, write, told, acknowledged, store, inTurn };
  }

  const accepted = (sequence: bigint, message = record): Outcome => ({
    ...{ type: 'message', sequence, record: message },
    opened: openedOf(message),
  });

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

  it('is no more than 64 notices for each place behind an unacknowledged message, and all of them in the end', async () => {
    const notices = Array.from({ length: 3_000 }, (): StreamItem => ({ kind: 'gap', first: 1, last: 2 }));
    const { dispatcher, write, told } = await dispatching([record, ...notices], undefined, undefined, {
      most: { count: 16, bytes: 1e6 },
    });
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
    assert.equal(count, 1_024);
    assert.deepEqual(told, []);
    void delivery?.ack();
    await write();
    dispatcher.wake();
    await until(() => count === 3_000);
    await until(() => told.length === 3_000);
  });

  it('is a message behind more notices than places that stand behind an unacknowledged one', async () => {
    const notices = Array.from({ length: 20 }, (): StreamItem => ({ kind: 'gap', first: 1, last: 2 }));
    const items = [messageOf(worker(1)), ...notices, messageOf(worker(2))];
    const { dispatcher, told } = await dispatching(items, undefined, undefined, { most: { count: 8, bytes: 1e6 } });
    const types: string[] = [];
    dispatcher.events$.subscribe(({ type }) => types.push(type));
    await until(() => types.length === items.length);
    assert.deepEqual(types, ['message', ...notices.map(() => 'gap'), 'message']);
    assert.deepEqual(told, []);
  });

  it('is a message behind any number of dead letters that stand behind an unacknowledged one', async () => {
    const letters = Array.from({ length: 20 }, (_, i): StreamItem => ({ kind: 'dead', letter: BigInt(i + 1) }));
    const items = [messageOf(worker(1)), ...letters, messageOf(worker(2))];
    const { dispatcher, told } = await dispatching(items, undefined, undefined, { most: { count: 8, bytes: 1e6 } });
    const types: string[] = [];
    dispatcher.events$.subscribe(({ type }) => types.push(type));
    await until(() => types.length === items.length);
    assert.deepEqual(types, ['message', ...letters.map(() => 'dead'), 'message']);
    assert.deepEqual(
      told,
      letters.map((_, i) => BigInt(i + 1)),
    );
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

  it('is what was accepted during a look that found nothing, too', async () => {
    const { dispatcher, store, inTurn } = await dispatching([]);
    const handedOut: string[] = [];
    dispatcher.events$.subscribe((event) => {
      if (event.type === 'message') handedOut.push(event.delivery.messageId);
    });
    await idle();
    // One that reads what there was before, and takes a while.
    const { itemsFrom } = store;
    store.itemsFrom = async (first, most) => {
      const page = await itemsFrom.call(store, first, most);
      if (page.length > 0) return page;
      await inTurn(async () => {
        store.itemsFrom = itemsFrom;
        await store.commit(store.runWrites(0n, [record]));
        dispatcher.offer([accepted(0n)], 1n);
      });
      return page;
    };
    dispatcher.wake();
    await until(() => handedOut.length === 1);
  });

  /** Hands out items, and what is offered behind them. */
  async function handingOut(
    items: readonly StreamItem[],
    isRegistered?: (id: Hex) => boolean,
    bounds?: { most: Bounds },
  ) {
    const parts = await dispatching(items, undefined, isRegistered, bounds);
    const { dispatcher, store, write, inTurn } = parts;
    const deliveries: Delivery[] = [];
    const notices: string[] = [];
    let end = BigInt(items.length);
    dispatcher.events$.subscribe((event) => {
      if (event.type === 'message') deliveries.push(event.delivery);
      else notices.push(event.type);
    });
    const take = (...messages: readonly MessageRecord[]): Promise<void> =>
      inTurn(async () => {
        const outcomes = messages.map((message, i) => accepted(end + BigInt(i), message));
        const writes = store.runWrites(end, messages);
        end += BigInt(messages.length);
        await store.commit([...writes, store.sequenceWrite(end)]);
        dispatcher.offer(outcomes, end);
      });
    const acknowledge = async (which: readonly Delivery[]): Promise<void> => {
      for (const delivery of which) void delivery.ack();
      await write();
      dispatcher.offer([], end);
    };
    /** A reorg takes a message's block away, or brings it back. */
    const turn = (kind: 'retracted' | 'reinstated', of: bigint, message: MessageRecord): Promise<void> =>
      inTurn(async () => {
        const notice = { kind, of, messageId: toHex(new Uint8Array(32)) } as const;
        const changed = { ...message, isFinal: false, isRetracted: kind === 'retracted' };
        const writes = [...(await store.replaceWrites(of, changed)), ...store.runWrites(end, [notice])];
        end += 1n;
        await store.commit([...writes, store.sequenceWrite(end)]);
        dispatcher.offer([{ type: 'reinstated', sequence: of }], end);
      });
    /** Of what is acknowledged, the first so many are so for good. */
    const settle = async (most?: number): Promise<void> => {
      await write(most);
      dispatcher.offer([], end);
    };
    const handedOutOf = (from: Hex): Delivery[] => deliveries.filter((delivery) => delivery.from === from);
    return { ...parts, deliveries, notices, take, turn, acknowledge, settle, handedOutOf };
  }

  const messagesOf = (from: Hex, count: number): MessageRecord[] =>
    Array.from({ length: count }, () => messageOf(from));

  for (const way of ['as it comes', 'from the store'] as const)
    it(`is the message of a ninth sender at once, where eight have all of theirs in work, ${way}`, async () => {
      const eight = Array.from({ length: 8 }, (_, n) => messagesOf(worker(n), 128)).flat();
      const ninth = messageOf(worker(8));
      const { take, handedOutOf, deliveries } = await handingOut(way === 'as it comes' ? [] : [...eight, ninth]);
      if (way === 'as it comes') {
        await idle();
        await take(...eight);
        await take(ninth);
      }
      await until(() => handedOutOf(worker(8)).length === 1);
      assert.equal(deliveries.length, 512 + 4 * 8 + 1);
    });

  it('is one message of each of many that are registered, though all of these have theirs in work', async () => {
    const greedy = Array.from({ length: 40 }, (_, n) => messagesOf(worker(n), 600)).flat();
    const { handedOutOf } = await handingOut([...greedy, messageOf(worker(40))]);
    await until(() => handedOutOf(worker(40)).length === 1);
  });

  it('is half of all, of one sender alone, and the rest in its order as these are done with', async () => {
    const { acknowledge, deliveries } = await handingOut(messagesOf(worker(0), 3_000));
    await until(() => deliveries.length === 512);
    await idle();
    assert.equal(deliveries.length, 512);
    let done = 0;
    while (done < 3_000) {
      const part = deliveries.slice(done);
      assert.ok(part.length <= 512);
      await acknowledge(part);
      done += part.length;
      if (done < 3_000) await until(() => deliveries.length > done);
    }
    assert.deepEqual(
      deliveries.map(({ messageId }) => messageId),
      Array.from({ length: 3_000 }, (_, i) => `0x${i}`),
    );
  });

  it('is what a worker sends at once, however many strangers with keys of their own have theirs in work', async () => {
    const flood = Array.from({ length: 2_000 }, (_, n) => messageOf(stranger(n)));
    const { handedOutOf, deliveries, acknowledge } = await handingOut([...flood, messageOf(worker(0))]);
    await until(() => handedOutOf(worker(0)).length === 1);
    assert.equal(deliveries.length, 768 + 1);
    while (deliveries.length < 2_001) {
      const before = deliveries.length;
      await acknowledge(deliveries.slice());
      await until(() => deliveries.length > before);
    }
    const ofStrangers = deliveries.filter(({ from }) => from !== worker(0));
    assert.deepEqual(
      ofStrangers.map(({ from }) => from),
      flood.map((_, n) => stranger(n)),
    );
  });

  it('keeps its order where a sender registers while its messages wait among those of strangers', async () => {
    let isWorker = false;
    const flood = Array.from({ length: 800 }, (_, n) => messageOf(stranger(n)));
    const late = stranger(5_000);
    const { handedOutOf, take, acknowledge, deliveries } = await handingOut(
      [...flood, messageOf(late), messageOf(late)],
      (id) => id === late && isWorker,
    );
    await until(() => deliveries.length === 768);
    await idle();
    isWorker = true;
    await take(messageOf(late));
    await idle();
    assert.equal(handedOutOf(late).length, 0);
    await acknowledge(deliveries.slice());
    await until(() => handedOutOf(late).length === 3);
    assert.deepEqual(
      handedOutOf(late).map(({ messageId }) => messageId),
      ['0x800', '0x801', '0x802'],
    );
  });

  it('is all that waited and has room again, where acknowledgements that are not durable yet leave bytes for some of it', async () => {
    const size = messageOf(worker(0)).envelope.length;
    const mine = worker(0);
    const others = Array.from({ length: 8 }, (_, n) => messageOf(worker(n + 1)));
    const { deliveries, settle, acknowledge, handedOutOf } = await handingOut(
      [...messagesOf(mine, 20), ...others],
      undefined,
      { most: { count: 1_000, bytes: 16 * size } },
    );
    await until(() => deliveries.length === 16);
    assert.equal(handedOutOf(mine).length, 8);
    for (const delivery of deliveries.slice()) void delivery.ack();
    await settle(5);
    await until(() => handedOutOf(mine).length === 13);
    await settle();
    await until(() => deliveries.length > 21);
    while (deliveries.length < 28) {
      const before = deliveries.length;
      await acknowledge(deliveries.slice());
      await until(() => deliveries.length > before);
    }
    assert.deepEqual(
      handedOutOf(mine).map(({ messageId }) => messageId),
      Array.from({ length: 20 }, (_, i) => `0x${i}`),
    );
  });

  it('is what a stranger sent too that registers while more wait than are remembered', () => {
    const late = worker(0);
    let isWorker = false;
    const shares = new FairShares(() => isWorker, { count: 4, bytes: 1e6 });
    const senderOf = (from: Hex): Sender => ({ fromKind: 'worker', from });
    const places = [0, 1, 2].map((n) => shares.place(BigInt(n), senderOf(stranger(n)), 1));
    const flood = Array.from({ length: 10_001 }, (_, n) => senderOf(stranger(n + 3)));
    for (const [i, sender] of flood.entries())
      if (shares.place(BigInt(i + 3), sender, 1) === 'full') shares.passOver(BigInt(i + 3), sender);
    assert.equal(shares.place(10_004n, senderOf(late), 1), 'waits');
    isWorker = true;
    for (const place of places) if (typeof place === 'object') place.release();
    assert.equal(shares.resume(), 3n);
    assert.ok(shares.isDue(10_004n, senderOf(late)));
    assert.equal(typeof shares.place(10_004n, senderOf(late), 1, true), 'object');
  });

  for (const way of ['acknowledged while what waits is gone through', 'left undone'] as const)
    it(`is no message again that was handed out before its sender was a stranger, and is ${way}`, async () => {
      let isWorker = true;
      const strangers = [0, 0, 0, 0, 1, 2, 3, 3, 3].map((n) => messageOf(stranger(n)));
      const world = await handingOut([...strangers, messageOf(worker(0))], (id) => id === worker(0) && isWorker, {
        most: { count: 8, bytes: 1e6 },
      });
      const { deliveries, settle, acknowledge } = world;
      await until(() => deliveries.some(({ from }) => from === worker(0)));
      await idle();
      const mine = deliveries.filter(({ from }) => from === worker(0));
      const ofStrangers = deliveries.filter(({ from }) => from !== worker(0));
      isWorker = false;
      for (const delivery of ofStrangers.slice(0, 4)) void delivery.ack();
      if (way === 'left undone') for (const delivery of mine) delivery.leave();
      else {
        await world.write();
        for (const delivery of mine) void delivery.ack();
        // Before the look that waits for others to get done.
        setTimeout(() => void world.write());
        world.dispatcher.wake();
      }
      await until(async () => {
        await acknowledge(deliveries.filter(({ from }) => from !== worker(0)));
        return deliveries.length === 10;
      });
      await settle();
      await pause();
      assert.equal(deliveries.filter(({ from }) => from === worker(0)).length, 1);
    });

  it('is what has room again by an acknowledgement at the moment of the last look into a store', async () => {
    const items = [...messagesOf(worker(0), 4), messageOf(worker(1))];
    const { deliveries, store, settle } = await handingOut(items, undefined, { most: { count: 4, bytes: 1e6 } });
    const read = store.itemsFrom.bind(store);
    let looks = 0;
    store.itemsFrom = async (from, limit) => {
      const page = await read(from, limit);
      if (from === 5n && looks++ === 0) {
        for (const delivery of deliveries.slice(0, 2)) void delivery.ack();
        await settle();
        await pause();
      }
      return page;
    };
    await until(() => looks > 0);
    await until(() => deliveries.length === 4);
  });

  it('is each once, in the order of its sender, whoever is slow and whatever is left undone', async () => {
    const senders = [worker(0), worker(1), worker(2), stranger(0), stranger(1)];
    const step = fc.oneof(
      fc.record({ take: fc.array(fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 400 })), { maxLength: 4 }) }),
      fc.record({ done: fc.nat(4), part: fc.double({ min: 0, max: 1, noNaN: true }), left: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const { take, deliveries, acknowledge, handedOutOf } = await handingOut([]);
        await idle();
        const sent: Hex[] = [];
        const over = new Set<Delivery>();
        for (const each of steps) {
          if ('take' in each) {
            const messages = each.take.flatMap(([n, count]) => messagesOf(senders[n] ?? '0x', count));
            sent.push(...messages.map(({ envelope }) => decodeV1(envelope).header.from));
            await take(...messages);
          } else {
            const held = handedOutOf(senders[each.done] ?? '0x').filter((delivery) => !over.has(delivery));
            const part = held.slice(0, Math.ceil(held.length * each.part));
            for (const delivery of part) over.add(delivery);
            if (each.left) for (const delivery of part) delivery.leave();
            else await acknowledge(part);
          }
          await idle();
        }
        while (deliveries.length < sent.length) {
          const held = deliveries.filter((delivery) => !over.has(delivery));
          for (const delivery of held) over.add(delivery);
          const before = deliveries.length;
          await acknowledge(held);
          await until(() => deliveries.length > before);
        }
        for (const from of senders)
          assert.deepEqual(
            handedOutOf(from).map(({ messageId }) => messageId),
            sent.flatMap((sender, i) => (sender === from ? [`0x${i}`] : [])),
          );
      }),
      { numRuns: 8 },
    );
  });

  it('is a message that was retracted while it waited for others, when it comes back', async () => {
    const mine = worker(0);
    const others = [1, 2, 3].map((n) => messageOf(worker(n)));
    const messages = [...others, ...messagesOf(mine, 12)];
    const { turn, acknowledge, handedOutOf } = await handingOut(messages, undefined, {
      most: { count: 16, bytes: 1e6 },
    });
    await until(() => handedOutOf(mine).length === 5);
    await idle();
    await turn('retracted', 8n, messageOf(mine));
    await idle();
    // Its share is held again by what is behind the one that is gone.
    await acknowledge(handedOutOf(mine).slice());
    await until(() => handedOutOf(mine).length > 5);
    await turn('reinstated', 8n, messageOf(mine));
    while (handedOutOf(mine).length < 12) {
      const before = handedOutOf(mine).length;
      await acknowledge(handedOutOf(mine).slice());
      await until(() => handedOutOf(mine).length > before);
    }
  });

  it('is each once, or retracted, where reorgs take messages back that wait, and bring them again', async () => {
    const senders = [worker(0), worker(1), stranger(0), stranger(1)];
    const size = messageOf(worker(0)).envelope.length;
    const step = fc.oneof(
      fc.record({ take: fc.array(fc.tuple(fc.nat(3), fc.nat(12)), { maxLength: 6 }), isHasty: fc.boolean() }),
      fc.record({
        ...{ done: fc.nat(), part: fc.nat(20), isLeft: fc.boolean() },
        ...{ durable: fc.nat(12), isLate: fc.boolean(), isHasty: fc.boolean() },
      }),
      fc.record({ registers: fc.boolean(), isHasty: fc.boolean() }),
      fc.record({ turns: fc.array(fc.nat(), { maxLength: 6 }), isHasty: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.integer({ min: 2, max: 12 }).map((count) => ({ count, bytes: 1e6 })),
          fc.integer({ min: 2, max: 20 }).map((count) => ({ count: 1_000, bytes: count * size })),
        ),
        fc.array(step, { minLength: 3, maxLength: 30 }),
        async (most, steps) => {
          let isRegistered = true;
          const isWorker = (id: Hex): boolean => id === worker(0) || (id === worker(1) && isRegistered);
          const { deliveries, settle, take, turn } = await handingOut([], isWorker, { most });
          await idle();
          const sent = new Map<string, { sequence: bigint; from: Hex; isRetracted: boolean }>();
          const over = new Set<string>();
          let next = 0n;
          const done = (which: readonly Delivery[], isLeft = false): void => {
            for (const delivery of which) {
              over.add(delivery.messageId);
              if (isLeft) delivery.leave();
              else void delivery.ack();
            }
          };
          for (const each of steps) {
            if ('take' in each) {
              const froms = each.take.flatMap(([n, count]) => Array.from({ length: count }, () => senders[n] ?? '0x'));
              await take(...froms.map((from) => messageOf(from)));
              for (const from of froms) sent.set(`0x${next}`, { sequence: next++, from, isRetracted: false });
            } else if ('done' in each) {
              const held = deliveries.filter(({ messageId }) => !over.has(messageId));
              const begin = held.length === 0 ? 0 : each.done % held.length;
              done(held.slice(begin, begin + each.part), each.isLeft);
              if (each.isLate) setTimeout(() => void settle(each.durable));
              else await settle(each.durable);
            } else if ('registers' in each) isRegistered = each.registers;
            else
              for (const n of each.turns) {
                const [id, message] = [...sent].filter(([key]) => !over.has(key))[n % sent.size] ?? [];
                if (id === undefined || message === undefined) continue;
                message.isRetracted = !message.isRetracted;
                next += 1n;
                await turn(message.isRetracted ? 'retracted' : 'reinstated', message.sequence, messageOf(message.from));
              }
            if (!each.isHasty) await idle();
          }
          const isLeft = (): boolean =>
            [...sent].some(([id, { isRetracted }]) => !isRetracted && !over.has(id)) ||
            deliveries.some(({ messageId }) => !over.has(messageId));
          for (let still = 0; isLeft(); still++) {
            assert.ok(still < 200, 'something is handed out never');
            const before = deliveries.length;
            done(deliveries.filter(({ messageId }) => !over.has(messageId)));
            await settle();
            await pause();
            if (deliveries.length > before) still = 0;
          }
          assert.equal(new Set(deliveries.map(({ messageId }) => messageId)).size, deliveries.length);
        },
      ),
      { numRuns: 20 },
    );
  });

  /** One that came back, as it is when it is final, and what the store has of that. */
  const cameBack = (of: bigint): StreamItem[] => {
    const target = { of, messageId: toHex(new Uint8Array(32)) };
    return [
      { kind: 'retracted', ...target },
      { kind: 'reinstated', ...target },
      { kind: 'finalized', ...target, isProven: true },
    ];
  };

  it('is a message that came back before all that is told of it, where it was passed over: then only that it is final', async () => {
    const mine = worker(0);
    const others = Array.from({ length: 8 }, (_, n) => messageOf(worker(n + 1)));
    const items = [...messagesOf(mine, 8), { ...messageOf(mine), isReinstated: true }, ...others, ...cameBack(8n)];
    const { acknowledge, handedOutOf, deliveries, notices } = await handingOut(items, undefined, {
      most: { count: 16, bytes: 1e6 },
    });
    await until(() => deliveries.length === 16);
    await idle();
    assert.deepEqual(notices, []);
    await acknowledge(handedOutOf(mine).slice());
    await until(() => handedOutOf(mine).length === 9 && notices.length > 0);
    await idle();
    assert.deepEqual(notices, ['finalized']);
  });

  it('is a message that came back behind all that was told of it, where it was passed over: what is told later counts', async () => {
    const mine = worker(0);
    const items = [...messagesOf(mine, 8), { ...messageOf(mine), isReinstated: true }, ...cameBack(8n)];
    const { acknowledge, handedOutOf, turn, notices } = await handingOut(items, undefined, {
      most: { count: 16, bytes: 1e6 },
    });
    await until(() => notices.length === 3);
    await acknowledge(handedOutOf(mine).slice());
    await until(() => handedOutOf(mine).length === 9);
    await turn('retracted', 8n, messageOf(mine));
    await until(() => notices.length > 3);
    assert.deepEqual(notices, ['retracted', 'reinstated', 'finalized', 'retracted']);
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

/** Lets timers that are due fire, too. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2));
}

/** Until all that goes on by itself has. */
async function idle(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await new Promise(setImmediate);
}
