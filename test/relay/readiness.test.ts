import assert from 'node:assert/strict';
import { afterEach, it } from 'mocha';
import { openJetStreamMailStore } from '../../src/store/jetstream-mail-store.ts';
import { describeNats, startNats } from '../support/nats-server.ts';
import { until } from '../support/until.ts';
import { Cleanup } from './support.ts';

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
});
