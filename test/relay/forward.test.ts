import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, it } from 'mocha';
import { encodeForwarded, toHex, type Hex } from '../../src/codec/index.ts';
import { isRelayError, RelayError } from '../../src/errors/index.ts';
import type { Backoff } from '../../src/relay/backoff.ts';
import { createRelay, type Relay, type RelayOptions } from '../../src/relay/index.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { RawSocket } from './raw-socket.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { alice, bob, carol, Cleanup, entity, genesisHash, message } from './support.ts';

interface Forwarding {
  readonly relay: Relay & { readonly mailStore: MailStore };
  readonly queue: MailStore;
}

const forwardBackoff: Backoff = { firstMs: 10, mostMs: 50 };

describe('relay: forwarding', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  /** What the chain says, for all relays of a test; changed by the test as the chain would. */
  const chain = () => {
    const endpoints = new Map<Hex, readonly string[]>();
    const workerState = {
      get: (id: Hex) => {
        const found = endpoints.get(id);
        return found === undefined ? undefined : { endpoints: found };
      },
    };
    return { endpoints, workerState };
  };
  const start = async (options: Partial<RelayOptions>): Promise<Forwarding> => {
    const queue = options.forwardStore ?? (await cleanup.store());
    const relay = await cleanup.relay({ recipients: [], forwardBackoff, ...options, forwardStore: queue });
    return { relay, queue };
  };
  const post = async (relay: Relay, bytes: Uint8Array, path = '/v1/messages') => {
    const answer = await fetch(relay.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: Uint8Array.from(bytes),
    });
    const body = (await answer.json()) as Record<string, unknown>;
    return `${answer.status} ${String(body['code'] ?? body['status'])}`;
  };
  const waiting = async (store: MailStore) => (await store.totals()).count;

  it('brings a message to the relay that the recipient names on chain, once', async () => {
    const { endpoints, workerState } = chain();
    const [a, b] = [await start({ workerState }), await start({ workerState })];
    endpoints.set(bob.identity, [b.relay.url]);
    const sent = message(alice, bob, { text: 'by two relays' });
    assert.equal(await post(a.relay, sent.bytes), '202 forwarded');
    assert.equal(await post(a.relay, sent.bytes), '200 duplicate');
    const raw = await RawSocket.open(b.relay.url, cleanup);
    await raw.login(bob);
    raw.send({ type: 'credit', deliveries: 9 });
    await raw.next('delivery');
    assert.deepEqual(raw.texts(), ['by two relays']);
    await until(async () => (await waiting(a.queue)) === 0);
  });

  it('keeps the order of what it forwards', async () => {
    const { endpoints, workerState } = chain();
    const [a, b] = [await start({ workerState }), await start({ workerState })];
    endpoints.set(bob.identity, [b.relay.url]);
    const raw = await RawSocket.open(a.relay.url, cleanup);
    for (let n = 0; n < 100; n++)
      raw.send({ type: 'send', id: n + 1, signedEnvelope: message(alice, bob, { text: `mail ${n}` }).bytes });
    const reader = await RawSocket.open(b.relay.url, cleanup);
    await reader.login(bob);
    reader.send({ type: 'credit', deliveries: 200 });
    await reader.next('delivery', 99);
    assert.deepEqual(
      reader.texts(),
      Array.from({ length: 100 }, (_, n) => `mail ${n}`),
    );
  });

  it('tries the next endpoint, and again later, until one takes the message', async () => {
    const { endpoints, workerState } = chain();
    const a = await start({ workerState });
    const failing = createServer((_, response) => response.writeHead(503).end());
    cleanup.add(failing, () => failing.close());
    await new Promise<void>((resolve) => failing.listen(0, '127.0.0.1', resolve));
    const failingUrl = `http://127.0.0.1:${(failing.address() as AddressInfo).port}`;
    endpoints.set(bob.identity, ['http://127.0.0.1:1', failingUrl]);
    let attempts = 0;
    failing.on('request', () => attempts++);
    assert.equal(await post(a.relay, message(alice, bob).bytes), '202 forwarded');
    await until(() => attempts >= 2);
    assert.equal(await waiting(a.queue), 1);
    const b = await start({ workerState });
    endpoints.set(bob.identity, [failingUrl, b.relay.url]);
    await until(async () => (await waiting(b.relay.mailStore)) === 1);
    await until(async () => (await waiting(a.queue)) === 0);
  });

  it('keeps what no relay took: a page that answers everything, or says yes to another message, has not', async () => {
    const { endpoints, workerState } = chain();
    const a = await start({ workerState });
    const other = JSON.stringify({ messageId: message(alice, bob).id, status: 'stored' });
    let asked = 0;
    const pages: readonly (readonly [number, string])[] = [
      ...([200, 202, 301, 400, 403, 405, 410, 413] as const).map((status) => [status, '<html>parked</html>'] as const),
      [200, other],
      [200, '{"status":"stored"}'],
      [403, '{"code":"what-is-that"}'],
    ];
    const parked = createServer((request, response) => {
      const [status, body] = pages[asked++ % pages.length] ?? [500, ''];
      request.resume().on('end', () => response.writeHead(status, { location: 'http://127.0.0.1:1' }).end(body));
    });
    cleanup.add(parked, () => parked.close());
    await new Promise<void>((resolve) => parked.listen(0, '127.0.0.1', resolve));
    endpoints.set(bob.identity, [`http://127.0.0.1:${(parked.address() as AddressInfo).port}`]);
    assert.equal(await post(a.relay, message(alice, bob).bytes), '202 forwarded');
    await until(() => asked > pages.length);
    assert.equal(await waiting(a.queue), 1);
    const b = await start({ workerState });
    endpoints.set(bob.identity, [b.relay.url]);
    await until(async () => (await waiting(b.relay.mailStore)) === 1);
  });

  it('takes up after a restart what was queued before', async () => {
    const { endpoints, workerState } = chain();
    endpoints.set(bob.identity, ['http://127.0.0.1:1']);
    const a = await start({ workerState });
    assert.equal(await post(a.relay, message(alice, bob).bytes), '202 forwarded');
    await a.relay.stop();
    const b = await start({ workerState });
    endpoints.set(bob.identity, [b.relay.url]);
    await a.relay.start();
    await until(async () => (await waiting(b.relay.mailStore)) === 1);
  });

  it('keeps what is for a name that does not resolve, over a restart too, and goes on with others', async () => {
    const { endpoints, workerState } = chain();
    endpoints.set(carol.identity, ['https://typo.invalid']);
    const a = await start({ workerState });
    assert.equal(await post(a.relay, message(alice, carol).bytes), '202 forwarded');
    const failures = async () =>
      /outcome="failed"} (\d+)/.exec(await (await fetch(`${a.relay.url}/metrics`)).text())?.[1] ?? '0';
    await until(async () => (await failures()) !== '0');
    const before = await failures();
    await a.relay.stop();
    await a.relay.start();
    await until(async () => (await failures()) !== before);
    const b = await start({ workerState });
    endpoints.set(bob.identity, [b.relay.url]);
    assert.equal(await post(a.relay, message(alice, bob).bytes), '202 forwarded');
    await until(async () => (await waiting(b.relay.mailStore)) === 1);
    await until(async () => (await waiting(a.queue)) === 1);
  });

  it('stores what turns out to be its own by now', async () => {
    const { endpoints, workerState } = chain();
    endpoints.set(bob.identity, ['http://127.0.0.1:1']);
    const a = await start({ workerState });
    assert.equal(await post(a.relay, message(alice, bob).bytes), '202 forwarded');
    endpoints.set(bob.identity, [a.relay.url]);
    await until(async () => (await waiting(a.relay.mailStore)) === 1);
    await until(async () => (await waiting(a.queue)) === 0);
  });

  it('does not store again what came to the mailbox from its sender while it was queued', async () => {
    const { endpoints, workerState } = chain();
    endpoints.set(bob.identity, ['http://127.0.0.1:1']);
    const mailStore = await cleanup.store();
    const [a, b] = [await start({ workerState, mailStore }), await start({ recipients: [bob.identity], mailStore })];
    const sent = message(alice, bob);
    assert.equal(await post(a.relay, sent.bytes), '202 forwarded');
    assert.equal(await post(b.relay, sent.bytes), '202 stored');
    endpoints.set(bob.identity, [a.relay.url]);
    await until(async () => (await waiting(a.queue)) === 0);
    assert.equal(await waiting(mailStore), 1);
  });

  it('gives up what every endpoint refuses for good', async () => {
    const { endpoints, workerState } = chain();
    const a = await start({ workerState });
    const b = await start({ workerState, access: { deny: [alice.identity] } });
    endpoints.set(bob.identity, [b.relay.url]);
    assert.equal(await post(a.relay, message(alice, bob).bytes), '202 forwarded');
    await until(async () => (await waiting(a.queue)) === 0);
    assert.match(await (await fetch(`${a.relay.url}/metrics`)).text(), /forwards_total\{outcome="refused"\} 1/);
  });

  it('does not give up what the likeliest endpoints refuse while there is another, and asks none twice that refused', async () => {
    const { endpoints, workerState } = chain();
    const a = await start({ workerState });
    const refusing = await Promise.all(
      Array.from({ length: 5 }, () => start({ workerState, limits: { maxMessageBytes: 300 } })),
    );
    const takes = await start({ workerState });
    endpoints.set(
      bob.identity,
      [...refusing, takes].map(({ relay }) => relay.url),
    );
    assert.equal(await post(a.relay, message(alice, bob, { size: 1_000 }).bytes), '202 forwarded');
    await until(async () => (await waiting(takes.relay.mailStore)) === 1);
    await until(async () => (await waiting(a.queue)) === 0);
    for (const { relay } of refusing) {
      const metrics = await (await fetch(`${relay.url}/metrics`)).text();
      assert.match(metrics, /refused_total\{code="envelope-too-large"\} 1\n/);
    }
  });

  it('gives up what nobody took for a day', async () => {
    const { endpoints, workerState } = chain();
    let now = Date.now();
    const a = await start({ workerState, clock: () => now });
    endpoints.set(bob.identity, ['http://127.0.0.1:1']);
    assert.equal(await post(a.relay, message(alice, bob).bytes), '202 forwarded');
    const metrics = async () => (await fetch(`${a.relay.url}/metrics`)).text();
    await until(async () => (await metrics()).includes('forwards_total{outcome="failed"}'));
    assert.equal(await waiting(a.queue), 1);
    now += 86_400_001 + 60_000;
    await until(async () => (await waiting(a.queue)) === 0);
    assert.match(await metrics(), /forwards_total\{outcome="expired"\} 1/);
  });

  it('refuses at once a recipient whose endpoints may not be followed', async () => {
    const { endpoints, workerState } = chain();
    const a = await start({ workerState, allowPrivate: false });
    endpoints.set(bob.identity, ['http://127.0.0.1:8710', 'http://169.254.169.254', 'nonsense']);
    endpoints.set(carol.identity, []);
    assert.equal(await post(a.relay, message(alice, bob).bytes), '422 recipient-unreachable');
    assert.equal(await post(a.relay, message(alice, carol).bytes), '422 recipient-unreachable');
    assert.equal(await waiting(a.queue), 0);
  });

  it('takes no more than three hops', async () => {
    const { endpoints, workerState } = chain();
    const a = await start({ workerState, recipients: [carol.identity] });
    endpoints.set(bob.identity, ['http://127.0.0.1:1']);
    const forward = (to: typeof bob, hops: number) =>
      post(a.relay, encodeForwarded({ hops, signedEnvelope: message(alice, to).bytes }), '/v1/forward');
    assert.equal(await forward(carol, 3), '202 stored');
    assert.equal(await forward(carol, 4), '508 too-many-hops');
    assert.equal(await forward(bob, 2), '202 forwarded');
    assert.equal(await forward(bob, 3), '508 too-many-hops');
  });

  it('refuses what it forwarded before, so that two relays that name each other do not send it round', async () => {
    const names = { a: chain(), b: chain() };
    let now = Date.now();
    const clock = () => now;
    const [a, b] = [
      await start({ workerState: names.a.workerState, clock }),
      await start({ workerState: names.b.workerState, clock }),
    ];
    names.a.endpoints.set(bob.identity, [b.relay.url]);
    names.b.endpoints.set(bob.identity, [a.relay.url]);
    assert.equal(await post(a.relay, message(alice, bob).bytes), '202 forwarded');
    const metrics = async (relay: Relay) => (await fetch(`${relay.url}/metrics`)).text();
    await until(async () => (await metrics(a.relay)).includes('refused_total{code="forward-loop"}'));
    assert.deepEqual([await waiting(a.queue), await waiting(b.queue)], [0, 1]);
    // By then relays see the same block.
    now += 700_000;
    await until(async () => (await waiting(b.queue)) === 0);
    assert.match(await metrics(b.relay), /forwards_total\{outcome="circled"\} 1/);
  });

  it('loses nothing while two relays see the chain at different blocks', async () => {
    const names = { a: chain(), b: chain() };
    const [a, b] = [
      await start({ workerState: names.a.workerState }),
      await start({ workerState: names.b.workerState }),
    ];
    // The recipient moves from a to b, and b has not seen it.
    names.a.endpoints.set(bob.identity, [b.relay.url]);
    names.b.endpoints.set(bob.identity, [a.relay.url]);
    assert.equal(await post(a.relay, message(alice, bob, { text: 'while moving' }).bytes), '202 forwarded');
    const metrics = async (relay: Relay) => (await fetch(`${relay.url}/metrics`)).text();
    await until(async () => (await metrics(b.relay)).includes('forwards_total{outcome="failed"}'));
    names.b.endpoints.set(bob.identity, [b.relay.url]);
    await until(async () => (await waiting(b.relay.mailStore)) === 1);
    await until(async () => (await waiting(a.queue)) + (await waiting(b.queue)) === 0);
  });

  it('answers a relay that lost the answer as one that asks again, not as a circle, after a restart too', async () => {
    const { endpoints, workerState } = chain();
    const stores = { mailStore: await cleanup.store(), forwardStore: await cleanup.store() };
    endpoints.set(bob.identity, ['http://127.0.0.1:1']);
    const first = await start({ workerState, ...stores });
    const { bytes } = message(alice, bob);
    const forward = ({ relay }: Forwarding, hops: number) =>
      post(relay, encodeForwarded({ hops, signedEnvelope: bytes }), '/v1/forward');
    assert.equal(await forward(first, 1), '202 forwarded');
    assert.equal(await forward(first, 1), '200 duplicate');
    assert.equal(await forward(first, 2), '508 forward-loop');
    // Nothing of the run before is in the memory of this one.
    await first.relay.stop();
    const second = await start({ workerState, ...stores });
    assert.equal(await forward(second, 1), '200 duplicate');
    assert.equal(await forward(second, 2), '508 forward-loop');
    // Nor is the message in its queue any more, in the one after that.
    endpoints.set(bob.identity, [(await start({ workerState, recipients: [bob.identity] })).relay.url]);
    await until(async () => (await waiting(stores.forwardStore)) === 0);
    await second.relay.stop();
    const third = await start({ workerState, ...stores });
    assert.equal(await forward(third, 1), '200 duplicate');
    assert.equal(await forward(third, 2), '508 forward-loop');
  });

  it('keeps what it took though its recipient then names what may not be followed', async () => {
    const { endpoints, workerState } = chain();
    const a = await start({ workerState });
    endpoints.set(bob.identity, ['http://127.0.0.1:1']);
    assert.equal(await post(a.relay, message(alice, bob).bytes), '202 forwarded');
    const metrics = async () => (await fetch(`${a.relay.url}/metrics`)).text();
    const failures = async () => Number(/outcome="failed"\} (\d+)/.exec(await metrics())?.[1] ?? 0);
    await until(async () => (await failures()) > 0);
    endpoints.set(bob.identity, ['http://169.254.169.254']);
    const before = await failures();
    await until(async () => (await failures()) > before + 1);
    const b = await start({ workerState });
    endpoints.set(bob.identity, [b.relay.url]);
    await until(async () => (await waiting(b.relay.mailStore)) === 1);
  });

  it('goes on with other recipients while the endpoints of many hang or trickle', async () => {
    const { endpoints, workerState } = chain();
    const sockets = new Set<Socket>();
    const tarPit = createTcpServer((socket) => {
      sockets.add(socket);
      // A byte of an answer now and then, or nothing at all.
      const timer = setInterval(() => socket.write('H'), 50);
      socket
        .on('error', () => undefined)
        .once('close', () => {
          clearInterval(timer);
          sockets.delete(socket);
        });
    });
    cleanup.add(tarPit, () => {
      for (const socket of sockets) socket.destroy();
      tarPit.close();
    });
    await new Promise<void>((resolve) => tarPit.listen(0, '127.0.0.1', resolve));
    const pit = `http://127.0.0.1:${(tarPit.address() as AddressInfo).port}`;
    const a = await start({ workerState });
    const b = await start({ workerState });
    const strangers = Array.from({ length: 80 }, (_, n) => ({ ...carol, identity: toHex(new Uint8Array(32).fill(n)) }));
    for (const { identity } of strangers) endpoints.set(identity, Array<string>(50).fill(pit));
    for (const stranger of strangers)
      assert.equal(await post(a.relay, message(alice, stranger).bytes), '202 forwarded');
    await until(() => sockets.size > 0);
    endpoints.set(bob.identity, [b.relay.url.replace('127.0.0.1', 'localhost')]);
    assert.equal(await post(a.relay, message(alice, bob).bytes), '202 forwarded');
    await until(async () => (await waiting(b.relay.mailStore)) === 1);
    assert.ok(sockets.size > 0);
  });

  it('tries again for a recipient that was away while the endpoint of another hangs for hundreds of senders', async () => {
    const { endpoints, workerState } = chain();
    const strangers = Array.from({ length: 200 }, (_, n) => entity(`stranger ${n}`));
    let asked = 0;
    let hanging = 0;
    let most = 0;
    // Fails at once for each of them, then says nothing any more.
    const hostile = createServer((request, response) => {
      request.resume();
      asked += 1;
      if (asked <= strangers.length) {
        response.writeHead(503).end();
        return;
      }
      hanging += 1;
      most = Math.max(most, hanging);
      response.once('close', () => (hanging -= 1));
    });
    cleanup.add(hostile, () => {
      hostile.close().closeAllConnections();
    });
    await new Promise<void>((resolve) => hostile.listen(0, '127.0.0.1', resolve));
    endpoints.set(carol.identity, [`http://127.0.0.1:${(hostile.address() as AddressInfo).port}`]);
    endpoints.set(bob.identity, ['http://127.0.0.1:1']);
    const [a, b] = [await start({ workerState }), await start({ workerState })];
    for (const stranger of strangers)
      assert.equal(await post(a.relay, message(stranger, carol).bytes), '202 forwarded');
    await until(() => hanging > 0);
    assert.equal(await post(a.relay, message(alice, bob).bytes), '202 forwarded');
    endpoints.set(bob.identity, [b.relay.url]);
    await until(async () => (await waiting(b.relay.mailStore)) === 1);
    // 4, and some whose end is not seen yet; of turns for what failed before there are 16.
    assert.ok(most < 16, `${most} turns at once`);
  });

  it('stops with a queue that is not empty, and goes on with it', async () => {
    const { endpoints, workerState } = chain();
    const a = await start({ workerState });
    endpoints.set(bob.identity, ['http://127.0.0.1:1']);
    for (let n = 0; n < 50; n++) await post(a.relay, message(alice, bob).bytes);
    await a.relay.stop();
    assert.equal(await waiting(a.queue), 50);
    const b = await start({ workerState });
    endpoints.set(bob.identity, [b.relay.url]);
    await a.relay.start();
    await until(async () => (await waiting(b.relay.mailStore)) === 50);
  });

  it('does not listen where its queue can not be read at the start', async () => {
    const { workerState } = chain();
    const queue = await cleanup.store();
    queue.recipients = () => {
      throw new RelayError('mail-store-failed', { details: { action: 'read', reason: 'test' } });
    };
    const mailStore = await cleanup.store();
    const port = await freePort();
    const options = { genesisHash, mailStore, workerState, listen: { port } };
    const relay = createRelay({ ...options, forwardStore: queue });
    await assert.rejects(relay.start(), (error) => isRelayError(error, 'mail-store-failed'));
    // The port is free.
    await cleanup.relay(options);
  });

  it('brings on what others send while a sender is refused for its own sake, and that one in its order later', async () => {
    const { endpoints, workerState } = chain();
    const mailStore = await cleanup.store({ quota: { maxCount: 8, senderPart: 0.25, strangerPart: 1 } });
    const [a, b] = [await start({ workerState }), await start({ workerState, mailStore })];
    endpoints.set(bob.identity, [b.relay.url]);
    for (let n = 0; n < 4; n++)
      assert.equal(await post(a.relay, message(carol, bob, { text: `of carol ${n}` }).bytes), '202 forwarded');
    await until(async () => (await mailStore.stats(bob.identity)).count === 2);
    assert.equal(await post(a.relay, message(alice, bob, { text: 'of alice' }).bytes), '202 forwarded');
    const reader = await RawSocket.open(b.relay.url, cleanup);
    await reader.login(bob);
    reader.send({ type: 'credit', deliveries: 10 });
    const third = await reader.next('delivery', 2);
    assert.deepEqual(reader.texts(), ['of carol 0', 'of carol 1', 'of alice']);
    reader.send({ type: 'ack', upTo: third.cursor });
    await reader.next('delivery', 4);
    assert.deepEqual(reader.texts().slice(3), ['of carol 2', 'of carol 3']);
  });

  it('brings on what a sender with a fast clock sent, where the next relay has a slow one', async () => {
    const { endpoints, workerState } = chain();
    const minute = 60_000;
    const slow = () => Date.now() - 3 * minute;
    const [a, b] = [await start({ workerState }), await start({ workerState, clock: slow })];
    endpoints.set(bob.identity, [b.relay.url]);
    const sent = message(alice, bob, { header: { sentAt: Date.now() + 8 * minute } });
    assert.equal(await post(a.relay, sent.bytes), '202 forwarded');
    await until(async () => (await b.relay.mailStore.stats(bob.identity)).count === 1);
  });

  it('checks a forwarded message as any other, but holds it against its age and not against the clock', async () => {
    const a = await start({ recipients: [bob.identity] });
    const forward = (bytes: Uint8Array) =>
      post(a.relay, encodeForwarded({ hops: 1, signedEnvelope: bytes }), '/v1/forward');
    const hour = 3_600_000;
    assert.equal(
      await forward(message(alice, bob, { header: { sentAt: Date.now() - 23 * hour } }).bytes),
      '202 stored',
    );
    assert.equal(
      await forward(message(alice, bob, { header: { sentAt: Date.now() - 25 * hour } }).bytes),
      '422 clock-skew',
    );
    // The first relay took it by its own clock, which may be before this one.
    assert.equal(await forward(message(alice, bob, { header: { sentAt: Date.now() + hour } }).bytes), '202 stored');
    assert.equal(
      await forward(message(alice, bob, { header: { sentAt: Date.now() + 25 * hour } }).bytes),
      '422 clock-skew',
    );
    // What is younger than ids are remembered could come once more when its own is forgotten.
    assert.equal(
      await forward(message(alice, bob, { header: { sentAt: Date.now() + hour + 60_000 } }).bytes),
      '422 clock-skew',
    );
    const altered = Uint8Array.from(message(alice, bob).bytes);
    altered[40] = (altered[40] ?? 0) ^ 1;
    assert.equal(await forward(altered), '401 bad-signature');
    assert.equal(await post(a.relay, new Uint8Array(3), '/v1/forward'), '400 trailing-bytes');
  });

  it('forwards for registered workers only where that is asked, and takes what is its own from all', async () => {
    const { endpoints, workerState } = chain();
    endpoints.set(bob.identity, ['http://127.0.0.1:1']);
    endpoints.set(alice.identity, []);
    const { relay } = await start({ workerState, recipients: [carol.identity], forwardFor: 'registered' });
    assert.equal(await post(relay, message(alice, bob).bytes), '202 forwarded');
    assert.equal(await post(relay, message(carol, bob).bytes), '403 sender-refused');
    assert.equal(await post(relay, message(bob, carol).bytes), '202 stored');
    endpoints.delete(alice.identity);
    assert.equal(await post(relay, message(alice, carol).bytes), '202 stored');
  });

  it('keeps to its limits and its quota of what waits', async () => {
    const { endpoints, workerState } = chain();
    for (const { identity } of [bob, alice]) endpoints.set(identity, ['http://127.0.0.1:1']);
    const { relay } = await start({ workerState, limits: { maxForwardQueues: 16 }, forwardQuota: { maxCount: 4 } });
    const stranger = entity('stranger');
    // An eighth of the half that is for strangers.
    assert.equal(await post(relay, message(carol, bob).bytes), '202 forwarded');
    assert.equal(await post(relay, message(stranger, bob).bytes), '507 mailbox-full');
    assert.equal(await post(relay, message(alice, bob).bytes), '202 forwarded');
    // Two of four.
    assert.equal(await post(relay, message(carol, alice).bytes), '202 forwarded');
    assert.equal(await post(relay, message(carol, alice).bytes), '202 forwarded');
    assert.equal(await post(relay, message(carol, alice).bytes), '507 mailbox-full');
  });

  it('forwards nothing without a queue', async () => {
    const { endpoints, workerState } = chain();
    endpoints.set(bob.identity, ['http://127.0.0.1:1']);
    const relay = await cleanup.relay({ recipients: [], workerState });
    assert.equal(await post(relay, message(alice, bob).bytes), '404 recipient-not-served');
  });
});
