import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import { isRelayError } from '../../src/errors/index.ts';
import { createRelay } from '../../src/relay/index.ts';
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
