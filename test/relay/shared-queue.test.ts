import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import { pino } from 'pino';
import { isRelayError } from '../../src/errors/index.ts';
import { createForwarder, type Forwarder, type ForwarderOptions } from '../../src/relay/forward.ts';
import { createIngest } from '../../src/relay/ingest.ts';
import { Metrics } from '../../src/relay/metrics.ts';
import { createNodeTransport } from '../../src/relay/node-transport.ts';
import { ResolvedNames } from '../../src/relay/resolved-names.ts';
import { openJetStreamMailStore } from '../../src/store/jetstream-mail-store.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { describeNats, startNats } from '../support/nats-server.ts';
import { until } from '../support/until.ts';
import { textOf } from './raw-socket.ts';
import { alice, bob, Cleanup, entity, genesisHash, message, type Entity } from './support.ts';

const nobody = 'http://127.0.0.1:1';
const ingest = createIngest({ genesisHash, maxMessageBytes: 100_000 });

function suite(open: (cleanup: Cleanup) => Promise<() => Promise<MailStore>>): void {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  /** Of one relay: all mail it takes goes to `endpoint`. */
  const forwarder = async (store: MailStore, endpoint: string, options: Partial<ForwarderOptions> = {}) => {
    const names = new ResolvedNames(() => assert.fail('there are no names here'));
    const transport = createNodeTransport({ allowPrivate: true, resolve: names.resolve });
    cleanup.add(transport, () => transport.close());
    const made = createForwarder({
      ...{ store, mailStore: store, transport, names, allowPrivate: true },
      router: () => ({ kind: 'forward', endpoints: [endpoint] }),
      metrics: new Metrics({ maxAgeMs: 0 }),
      logger: pino({ enabled: false }),
      backoff: { firstMs: 5, mostMs: 20 },
      lookEveryMs: 20,
      maxAgeMs: 86_400_000,
      clock: Date.now,
      ...options,
    });
    cleanup.add(made, () => made.stop());
    await made.start();
    return made;
  };
  const add = (to: Forwarder, bytes: Uint8Array, from: Entity = alice) =>
    to.add(ingest(bytes), 1, { sender: from.identity, isKnown: true });
  const texts = (count: number) => Array.from({ length: count }, (_, n) => `mail ${n}`);
  const mailbox = async () => {
    const { url, mailStore } = await cleanup.relay();
    const read = async () => (await mailStore.read(bob.identity, 0n)).map(({ bytes }) => textOf(bytes));
    return { url, read };
  };

  it('is taken up by another where the relay that filled it is gone', async () => {
    const store = await open(cleanup);
    const { url, read } = await mailbox();
    // Runs before anything is queued: what it does not hear of it looks for.
    await forwarder(await store(), url);
    const first = await forwarder(await store(), nobody);
    for (const text of texts(5)) assert.equal(await add(first, message(alice, bob, { text }).bytes), 'queued');
    await first.stop();
    await until(async () => (await read()).length === 5);
    assert.deepEqual(await read(), texts(5));
  });

  it('is forwarded once and in order where two forward from it at once', async () => {
    const store = await open(cleanup);
    const { url, read } = await mailbox();
    const [a, b] = [await forwarder(await store(), url), await forwarder(await store(), url)];
    for (const [n, text] of texts(40).entries())
      assert.equal(await add(n % 2 === 0 ? a : b, message(alice, bob, { text }).bytes), 'queued');
    const queue = await store();
    await until(async () => (await queue.totals()).count === 0);
    assert.deepEqual(await read(), texts(40));
  });

  it('knows at each of them what another queued, and tells a retry from a circle', async () => {
    const store = await open(cleanup);
    const [a, b] = [await forwarder(await store(), nobody), await forwarder(await store(), nobody)];
    const sent = ingest(message(alice, bob).bytes);
    const origin = { sender: alice.identity, isKnown: true };
    assert.equal(await a.add(sent, 2, origin), 'queued');
    assert.equal(await b.add(sent, 2, origin), 'again');
    assert.equal(await b.add(sent, 3, origin), 'before');
  });

  it('refuses what is too much for one recipient, and nothing that it has', async () => {
    const store = await open(cleanup);
    const made = await forwarder(await store(), nobody, { quota: { maxCount: 2 } });
    const kept = message(alice, bob).bytes;
    assert.equal(await add(made, kept), 'queued');
    const other = entity('another sender');
    assert.equal(await add(made, message(other, bob).bytes, other), 'queued');
    const third = entity('a third sender');
    await assert.rejects(add(made, message(third, bob).bytes, third), (error) => isRelayError(error, 'mailbox-full'));
    assert.equal(await add(made, kept), 'again');
  });
}

describe('relay: a forward queue that relays share: lmdb', () => {
  suite(async (cleanup) => {
    const store = await cleanup.store();
    return async () => store;
  });
});

describeNats('relay: a forward queue that relays share: jetstream', () => {
  suite(async (cleanup) => {
    const nats = cleanup.add(await startNats(), (made) => made.stop());
    // Each has a connection of its own, as processes do.
    return async () => {
      const store = await openJetStreamMailStore({ name: 'queue', shards: 1, nats: { servers: [nats.url] } });
      return cleanup.add(store, (made) => made.close());
    };
  });
});
