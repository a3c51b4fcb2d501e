import assert from 'node:assert/strict';
import { afterEach, it } from 'mocha';
import { pino } from 'pino';
import { Readiness } from '../../src/relay/readiness.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { openJetStreamMailStore } from '../../src/store/jetstream-mail-store.ts';
import { describeNats, startNats } from '../support/nats-server.ts';
import { until } from '../support/until.ts';
import { RawSocket } from './raw-socket.ts';
import { alice, bob, Cleanup, message } from './support.ts';

describe('relay: ready or not, by its stores', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  /** With what it logs. */
  const readinessOf = (mailStore: MailStore, forwardStore: MailStore) => {
    const lines: string[] = [];
    const logger = pino({ base: null }, { write: (line: string) => void lines.push(line) });
    return { readiness: new Readiness({ mailStore, forwardStore, logger, isRunning: () => true }), lines };
  };
  const full = async (): Promise<MailStore> => {
    const store = await cleanup.store({ quota: { maxTotalBytes: 200_000 } });
    for (let refused: unknown; refused === undefined;) {
      const { id, bytes } = message(alice, bob, { size: 20_000 });
      refused = await store.append(bob.identity, id, bytes).then(
        () => undefined,
        (error: unknown) => error,
      );
    }
    return store;
  };
  const ended = async (): Promise<MailStore> => {
    const store = await cleanup.store();
    await store.close();
    return store;
  };

  it('it is not while its mailboxes are full, or fail, and says which of its stores it is', async () => {
    const { readiness, lines } = readinessOf(await full(), await cleanup.store());
    assert.deepEqual(await readiness.check(), { reason: 'mailbox-full' });
    assert.match(lines.join(''), /mailboxes/);
    const failing = readinessOf(await ended(), await cleanup.store());
    assert.deepEqual(await failing.readiness.check(), { reason: 'mail-store-failed' });
    assert.match(failing.lines.join(''), /mailboxes/);
  });

  it('it is while its queue to other relays is full, and is not while that fails', async () => {
    const { readiness, lines } = readinessOf(await cleanup.store(), await full());
    assert.equal(await readiness.check(), 'ready');
    assert.deepEqual(lines, []);
    const failing = readinessOf(await cleanup.store(), await ended());
    assert.deepEqual(await failing.readiness.check(), { reason: 'mail-store-failed' });
    assert.match(failing.lines.join(''), /queue to other relays/);
  });
});

describeNats('relay: ready or not', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it('it is not while NATS is away, says so, and is again when it is back', async () => {
    const nats = cleanup.add(await startNats(), (made) => made.stop());
    const options = { name: 'ready', shards: 1, timeoutMs: 500, nats: { servers: [nats.url] } };
    const mailStore = cleanup.add(await openJetStreamMailStore(options), (made) => made.close());
    const { url } = await cleanup.relay({ mailStore });
    const ask = async (path: string) => {
      const answer = await fetch(url + path);
      return { status: answer.status, text: await answer.text() };
    };
    const readiness = async () => (await ask('/readyz')).status;
    assert.equal(await readiness(), 200);
    assert.match((await ask('/metrics')).text, /^khala_relay_mailbox_messages 0$/m);
    await nats.kill();
    await until(async () => (await readiness()) === 503);
    assert.deepEqual(JSON.parse((await ask('/readyz')).text), { status: 'not ready', reason: 'mail-store-failed' });
    assert.equal((await ask('/healthz')).status, 200);
    // What can be told is.
    const metrics = await ask('/metrics');
    assert.equal(metrics.status, 200);
    assert.match(metrics.text, /^khala_relay_connections 0$/m);
    assert.doesNotMatch(metrics.text, /^khala_relay_mailbox_messages /m);
    await nats.start();
    await until(async () => (await readiness()) === 200);
  });

  it('holds no more of what can not be stored while NATS is away than it may, and refuses the rest at once', async () => {
    const nats = cleanup.add(await startNats(), (made) => made.stop());
    // Longer than the test: what it took waits all the while.
    const options = { name: 'held', shards: 1, timeoutMs: 120_000, nats: { servers: [nats.url] } };
    const mailStore = cleanup.add(await openJetStreamMailStore(options), (made) => made.close());
    const size = 10_000;
    const fits = 6;
    const limits = { maxMessageBytes: 2 * size, maxBodyBytes: 2 * size, maxPendingBytes: (fits + 0.9) * size };
    const { url } = await cleanup.relay({ mailStore, limits });
    await nats.kill();
    const raw = await RawSocket.open(url, cleanup);
    const count = 40;
    const sent = Array.from({ length: count }, () => message(alice, bob, { size }).bytes);
    for (const [n, signedEnvelope] of sent.entries()) raw.send({ type: 'send', id: n + 1, signedEnvelope });
    await until(() => raw.all('error').length >= count - fits);
    assert.deepEqual([...new Set(raw.all('error').map(({ code }) => code))], ['relay-busy']);
    assert.deepEqual(raw.all('receipt'), []);
    assert.match(await (await fetch(`${url}/metrics`)).text(), new RegExp(`^khala_relay_in_flight ${fits}$`, 'm'));
    // What it held is stored when NATS is back, and all of it is once.
    await nats.start();
    await raw.next('receipt', fits - 1);
    for (const [n, signedEnvelope] of sent.slice(0, fits).entries()) {
      raw.send({ type: 'send', id: 100 + n, signedEnvelope });
      await raw.next('receipt', fits + n);
    }
    assert.equal((await mailStore.stats(bob.identity)).count, fits);
  });
});
