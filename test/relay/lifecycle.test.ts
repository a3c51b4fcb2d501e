import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { afterEach, describe, it } from 'mocha';
import { isRelayError } from '../../src/errors/index.ts';
import { createRelay } from '../../src/relay/index.ts';
import { createRouter } from '../../src/relay/route.ts';
import { RawSocket } from './raw-socket.ts';
import { until } from '../support/until.ts';
import { alice, bob, Cleanup, genesisHash, message } from './support.ts';

describe('relay: start and stop', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it('has no URL before it listens and none after it stopped', async () => {
    const relay = createRelay({ genesisHash, mailStore: await cleanup.store(), listen: { port: 0 } });
    const url = () => relay.url;
    assert.throws(url, (error) => isRelayError(error, 'relay-not-started'));
    await relay.start();
    assert.match(url(), /^http:\/\/127\.0\.0\.1:\d+$/);
    await relay.stop();
    assert.throws(url, (error) => isRelayError(error, 'relay-not-started'));
  });

  it('starts and stops as often as it is told, in any order', async () => {
    const relay = await cleanup.relay();
    const first = relay.url;
    await Promise.all([relay.start(), relay.stop(), relay.stop(), relay.start(), relay.start()]);
    assert.equal((await fetch(`${relay.url}/readyz`)).status, 200);
    assert.ok(first.startsWith('http://127.0.0.1:'));
    await relay[Symbol.asyncDispose]();
    await assert.rejects(fetch(`${first}/readyz`));
  });

  it('knows its recipients by its URL, though it was asked for one before it had a URL', () => {
    let ownUrls: readonly string[] = [];
    const endpoints = ['http://127.0.0.1:8710'];
    const workerState = { get: () => ({ endpoints }) };
    const route = createRouter({ recipients: new Set(), workerState, ownUrls: () => ownUrls, canForward: false });
    assert.throws(
      () => route(bob.identity),
      (error) => isRelayError(error, 'recipient-not-served'),
    );
    ownUrls = endpoints;
    assert.deepEqual(route(bob.identity), { kind: 'mailbox' });
  });

  it('does not forward for longer than message ids are remembered', async () => {
    const mailStore = await cleanup.store();
    const hour = 3_600_000;
    const make = (limits: { readonly maxForwardAgeMs: number; readonly maxSkewMs?: number }) =>
      createRelay({ genesisHash, mailStore, limits });
    make({ maxForwardAgeMs: 24.5 * hour });
    for (const limits of [{ maxForwardAgeMs: 25 * hour }, { maxForwardAgeMs: 24 * hour, maxSkewMs: 2 * hour }])
      assert.throws(
        () => make(limits),
        (error) => isRelayError(error, 'bad-setting'),
      );
    // As long as these stores remember them, which is theirs to say.
    const [long, short] = [await cleanup.store({ dedupeMs: 50 * hour }), await cleanup.store({ dedupeMs: hour })];
    const limits = { maxForwardAgeMs: 40 * hour };
    createRelay({ genesisHash, mailStore: long, limits });
    for (const options of [{ mailStore: short }, { mailStore: long, forwardStore: short, limits }])
      assert.throws(
        () => createRelay({ genesisHash, ...options }),
        (error) => isRelayError(error, 'bad-setting') && error.message.includes('3600000 ms'),
      );
  });

  it('is not made with a public URL that is none', async () => {
    const mailStore = await cleanup.store();
    for (const url of ['relay.example', 'ftp://relay.example', ''])
      assert.throws(
        () => createRelay({ genesisHash, mailStore, publicUrls: ['https://relay.example', url] }),
        (error) => isRelayError(error, 'bad-setting'),
      );
  });

  it('leaves no timer behind where it can not listen', async () => {
    const first = await cleanup.relay();
    const port = Number(new URL(first.url).port);
    const pingIntervalMs = 123_456;
    const limits = { pingIntervalMs };
    const second = createRelay({ genesisHash, mailStore: first.mailStore, listen: { port }, limits });
    const { setInterval: begin, clearInterval: end } = globalThis;
    const running = new Set<unknown>();
    globalThis.setInterval = ((...args: Parameters<typeof begin>) => {
      const timer = begin(...args);
      if (args[1] === pingIntervalMs) running.add(timer);
      return timer;
    }) as typeof begin;
    globalThis.clearInterval = (timer) => {
      running.delete(timer);
      end(timer);
    };
    try {
      await assert.rejects(second.start(), (error) => isRelayError(error, 'listen-failed'));
    } finally {
      Object.assign(globalThis, { setInterval: begin, clearInterval: end });
    }
    assert.equal(running.size, 0);
  });

  it('says so when it can not listen, and can try again', async () => {
    const first = await cleanup.relay();
    const port = Number(new URL(first.url).port);
    const second = createRelay({ genesisHash, mailStore: first.mailStore, listen: { port } });
    cleanup.add(second, () => second.stop());
    await assert.rejects(second.start(), (error) => isRelayError(error, 'listen-failed'));
    await first.stop();
    await second.start();
  });

  it('answers what it took before it closes, and takes nothing new', async () => {
    let release = (): void => undefined;
    const held = new Promise<boolean>((resolve) => {
      release = () => {
        resolve(true);
      };
    });
    const relay = await cleanup.relay({ verifySignature: () => held });
    const raw = await RawSocket.open(relay.url, cleanup);
    const taken = message(alice, bob);
    raw.send({ type: 'send', id: 1, signedEnvelope: taken.bytes });
    const posted = fetch(`${relay.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: Uint8Array.from(message(alice, bob).bytes),
    });
    const metrics = async () => (await fetch(`${relay.url}/metrics`)).text();
    await until(async () => (await metrics()).includes('khala_relay_in_flight 2'));
    const { url } = relay;
    const stopping = relay.stop();
    await until(async () => (await fetch(`${url}/readyz`)).status === 503);
    raw.send({ type: 'send', id: 2, signedEnvelope: message(alice, bob).bytes });
    assert.deepEqual((await raw.next('error')).code, 'relay-stopping');
    release();
    assert.equal((await raw.next('receipt')).messageId, taken.id);
    assert.equal((await posted).status, 202);
    await stopping;
    assert.equal(await raw.closed(), 1001);
    assert.equal((await relay.mailStore.stats(bob.identity)).count, 2);
  });

  it('does not wait for sockets that asked for another protocol, wherever, and do nothing more', async () => {
    const relay = await cleanup.relay();
    const { port } = new URL(relay.url);
    const key = 'sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
    const upgrade = `host: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n${key}\r\n`;
    const open: { readonly path: string; text: string }[] = [];
    for (const path of ['/%', '/healthz', '/v1/ws', '/v1/messages', '/v1/tunnel']) {
      const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
      cleanup.add(socket, () => socket.destroy());
      const state = { path, text: '' };
      socket.on('error', () => undefined).on('data', (data: Buffer) => (state.text += data.toString()));
      socket.write(`GET ${path} HTTP/1.1\r\n${upgrade}`);
      open.push(state);
    }
    await until(() => open.every(({ text }) => text.length > 0));
    assert.deepEqual(
      open.map(({ path, text }) => [path, text.slice(9, 12)]),
      [
        ['/%', '404'],
        ['/healthz', '404'],
        ['/v1/ws', '101'],
        ['/v1/messages', '404'],
        ['/v1/tunnel', '404'],
      ],
    );
    await relay.stop();
  }).timeout(20_000);

  it('does not wait for ever for what hangs', async () => {
    const relay = await cleanup.relay({
      limits: { drainMs: 50 },
      verifySignature: () => new Promise(() => undefined),
    });
    const raw = await RawSocket.open(relay.url, cleanup);
    raw.send({ type: 'send', id: 1, signedEnvelope: message(alice, bob).bytes });
    raw.send({ type: 'challenge-me', id: 2 });
    await raw.next('challenge');
    await relay.stop();
    assert.equal(await raw.closed(), 1001);
  });
});
