import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import { pino } from 'pino';
import { isRelayError } from '../../src/errors/index.ts';
import { createForwarder, type ForwarderOptions } from '../../src/relay/forward.ts';
import { createIngest } from '../../src/relay/ingest.ts';
import { Metrics } from '../../src/relay/metrics.ts';
import { createNodeTransport } from '../../src/relay/node-transport.ts';
import { createNameResolver } from '../../src/relay/resolve-name.ts';
import { ResolvedNames } from '../../src/relay/resolved-names.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { until } from '../support/until.ts';
import { alice, bob, carol, Cleanup, entity, genesisHash, message, type TestMessage } from './support.ts';

describe('relay: what waits to be forwarded to one recipient', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());
  const ingest = createIngest({ genesisHash, maxMessageBytes: 100_000 });

  /** With room for four messages to one recipient. To bob and carol there is no way while `route.isDown`. */
  const make = async (store: MailStore, options: Partial<ForwarderOptions> = {}) => {
    const mailStore = await cleanup.store();
    const route = { isDown: true };
    const names = new ResolvedNames(createNameResolver());
    const transport = createNodeTransport({ allowPrivate: true, resolve: names.resolve });
    cleanup.add(transport, () => transport.close());
    const forwarder = createForwarder({
      ...{ store, mailStore, transport, names, allowPrivate: true },
      router: () => (route.isDown ? { kind: 'forward', endpoints: ['http://127.0.0.1:1'] } : { kind: 'mailbox' }),
      metrics: new Metrics({ maxAgeMs: 0 }),
      logger: pino({ enabled: false }),
      maxAgeMs: 86_400_000,
      clock: Date.now,
      backoff: { firstMs: 5, mostMs: 10 },
      quota: { maxCount: 4 },
      ...options,
    });
    await forwarder.start();
    cleanup.add(forwarder, () => forwarder.stop());
    const add = (from: typeof alice, sent: TestMessage, isKnown = false) =>
      forwarder.add(ingest(sent.bytes), 0, { sender: from.identity, isKnown });
    const send = (from: typeof alice, to: typeof alice, isKnown = false) => add(from, message(from, to), isKnown);
    return { forwarder, route, store, add, send };
  };
  const isFull = (error: unknown): boolean => isRelayError(error, 'mailbox-full');
  /** What was handed on makes room a moment after it has left the store. */
  const untilRoom = (send: () => Promise<string>): Promise<string> =>
    until(() =>
      send().catch((error: unknown) => {
        if (!isFull(error)) throw error;
        return undefined;
      }),
    );

  it('has one bound over all senders, half of it for known ones, and takes none from another recipient', async () => {
    const { add, send, store, route } = await make(await cleanup.store());
    const first = message(entity('sender 0'), bob);
    assert.equal(await add(entity('sender 0'), first), 'queued');
    assert.equal(await send(entity('sender 1'), bob), 'queued');
    await assert.rejects(send(entity('sender 2'), bob), isFull);
    assert.equal(await add(entity('sender 0'), first), 'again');
    for (let n = 3; n < 5; n++) assert.equal(await send(entity(`sender ${n}`), bob, true), 'queued');
    await assert.rejects(send(entity('sender 5'), bob, true), isFull);
    assert.equal(await send(alice, carol), 'queued');
    route.isDown = false;
    await until(async () => (await store.totals()).count === 0);
    assert.equal(await untilRoom(() => send(entity('sender 6'), bob)), 'queued');
  });

  it('is of so many senders, an eighth of all queues, and half of them are for known senders', async () => {
    const { send, store, route } = await make(await cleanup.store(), { maxQueues: 32, quota: { maxCount: 1_000 } });
    for (let n = 0; n < 2; n++) {
      assert.equal(await send(entity(`sender ${n}`), bob), 'queued');
      assert.equal(await send(entity(`sender ${n}`), bob), 'queued');
    }
    await assert.rejects(send(entity('sender 2'), bob), isFull);
    // Of one that waits already there may be more.
    assert.equal(await send(entity('sender 1'), bob), 'queued');
    for (let n = 2; n < 4; n++) assert.equal(await send(entity(`sender ${n}`), bob, true), 'queued');
    await assert.rejects(send(entity('sender 4'), bob, true), isFull);
    for (let n = 0; n < 12; n++) assert.equal(await send(alice, entity(`recipient ${n}`)), 'queued');
    await assert.rejects(send(alice, entity('recipient 12')), isFull);
    assert.equal(await send(alice, entity('recipient 12'), true), 'queued');
    route.isDown = false;
    await until(async () => (await store.totals()).count === 0);
    assert.equal(await untilRoom(() => send(entity('sender 5'), bob)), 'queued');
  });

  it('is remembered of no more queues than there may be, and what is beyond them goes on when they are done', async () => {
    const store = await cleanup.store();
    const before = await make(store);
    for (let n = 0; n < 10; n++) assert.equal(await before.send(alice, entity(`recipient ${n}`)), 'queued');
    await before.forwarder.stop();
    const after = await make(store, { maxQueues: 4, lookEveryMs: 20 });
    await assert.rejects(after.send(alice, carol, true), isFull);
    after.route.isDown = false;
    await until(async () => (await store.totals()).count === 0);
  });

  it('is counted after a restart too', async () => {
    const store = await cleanup.store();
    const before = await make(store);
    for (let n = 0; n < 2; n++) assert.equal(await before.send(entity(`sender ${n}`), bob), 'queued');
    await before.forwarder.stop();
    const after = await make(store);
    await assert.rejects(after.send(entity('sender 2'), bob), isFull);
  });
});
