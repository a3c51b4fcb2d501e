import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import { decodeEcdhRecord, ecdhRecordContent, messageId } from '../../src/codec/index.ts';
import { signWith, verify } from '../../src/crypto/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { createRelayClient, type LocalEntity } from '../../src/relay/index.ts';
import { RawSocket } from './raw-socket.ts';
import { until } from '../support/until.ts';
import { alice, bob, carol, Cleanup, genesisHash, message, signer } from './support.ts';

describe('relay: its own entity', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const client = () => cleanup.add(createRelayClient({ genesisHash, allowPrivate: true }), (made) => made.stop());
  const local = (accept: LocalEntity['accept'], vault?: LocalEntity['vault']): LocalEntity => ({
    identity: bob.identity,
    accept,
    ...(vault !== undefined && { vault }),
  });

  it('answers only when its inbox has the message', async () => {
    const accepted: Uint8Array[] = [];
    let finish = (): void => undefined;
    const durable = new Promise<void>((resolve) => (finish = resolve));
    const relay = await cleanup.relay({
      local: local(async (envelope) => {
        accepted.push(envelope);
        await durable;
        return 'accepted';
      }),
    });
    const raw = await RawSocket.open(relay.url, cleanup);
    const sent = message(alice, bob);
    raw.send({ type: 'send', id: 1, signedEnvelope: sent.bytes });
    await until(() => accepted.length === 1);
    raw.send({ type: 'challenge-me', id: 2 });
    await raw.next('challenge');
    assert.deepEqual(raw.all('receipt'), []);
    finish();
    assert.equal((await raw.next('receipt')).status, 'delivered');
    assert.deepEqual(accepted[0], sent.envelope);
    assert.equal((await relay.mailStore.stats(bob.identity)).count, 0);
  });

  it('names its entity and tells a duplicate of the inbox as one', async () => {
    const relay = await cleanup.relay({ local: local(() => Promise.resolve('duplicate')) });
    const raw = await RawSocket.open(relay.url, cleanup);
    assert.equal((await raw.next('hello')).identity, bob.identity);
    assert.equal((await client().send(message(alice, bob).bytes, [relay.url])).status, 'duplicate');
  });

  it('checks the signature before the inbox sees anything', async () => {
    let seen = 0;
    const relay = await cleanup.relay({ local: local(async () => (seen++, 'accepted')) });
    await assert.rejects(client().send(message(alice, bob, { signer: carol }).bytes, [relay.url]));
    assert.equal(seen, 0);
  });

  it('tells a sender of an erased epoch so, with the signed record of the current one', async () => {
    const erased = () => Promise.reject(new RelayError('epoch-erased', { details: { epoch: 1 } }));
    const publicKey = carol.keys.publicKey;
    const relay = await cleanup.relay({
      local: local(erased, {
        ecdhKeys: async () => [
          { epoch: 1, publicKey: alice.keys.publicKey, state: 'retired', createdAt: 0, seals: 0 },
          { epoch: 2, publicKey, state: 'current', createdAt: 0, seals: 0 },
          { epoch: 3, publicKey: alice.keys.publicKey, state: 'pending', createdAt: 0, seals: 0 },
        ],
        sign: async (content) => {
          assert.ok(content.type === 'ecdh-record');
          const { epoch } = content;
          return signWith(
            bob.keys,
            ecdhRecordContent({ genesisHash, identity: bob.identity, ecdhPublic: publicKey, epoch }),
          );
        },
      }),
    });
    for (const endpoint of [relay.url, relay.url.replace('http', 'ws')])
      await assert.rejects(client().send(message(alice, bob).bytes, [endpoint]), (error) => {
        assert.ok(error instanceof RelayError && error.code === 'epoch-erased');
        const record = decodeEcdhRecord(String(error.details?.['record']));
        assert.deepEqual([record.epoch, record.ecdhPublic], [2, publicKey]);
        const content = ecdhRecordContent({ genesisHash, identity: bob.identity, ecdhPublic: publicKey, epoch: 2 });
        return verify(bob.keys.publicKey, content, record.signature);
      });
  });

  it('hands a reply to its sender over the connection that asked, registered or not', async () => {
    const relay = await cleanup.relay({
      recipients: [],
      local: local(async (envelope) => {
        const asked = messageId({ genesisHash, envelope });
        await relay.postReply(message(bob, alice, { text: `reply to ${asked}` }).bytes);
        return 'accepted';
      }),
    });
    const sender = client();
    const events: string[] = [];
    const subscription = sender
      .receive({ url: relay.url, identity: alice.identity, sign: signer(alice) })
      .subscribe((event) => {
        if (event.type !== 'delivery') return;
        events.push(Buffer.from(event.signedEnvelope).toString('latin1').slice(-66));
        event.ack();
      });
    cleanup.add(subscription, (made) => {
      made.unsubscribe();
    });
    const sent = [message(alice, bob), message(alice, bob)];
    for (const { bytes } of sent) await sender.send(bytes, [relay.url]);
    await until(() => events.length === 2);
    assert.deepEqual(
      events,
      sent.map(({ id }) => id),
    );
    const metrics = await (await fetch(`${relay.url}/metrics`)).text();
    assert.match(metrics, /^khala_relay_connections 1$/m);
  });

  it('keeps a reply until its recipient comes', async () => {
    const relay = await cleanup.relay({ recipients: [], local: local(() => Promise.resolve('accepted')) });
    const reply = message(bob, carol, { text: 'an answer' });
    assert.equal((await relay.postReply(reply.bytes)).status, 'stored');
    assert.equal((await relay.postReply(reply.bytes)).status, 'duplicate');
    await assert.rejects(relay.postReply(message(bob, carol, { signer: alice }).bytes), RelayError);
    const raw = await RawSocket.open(relay.url, cleanup);
    await raw.login(carol);
    raw.send({ type: 'credit', deliveries: 5 });
    await raw.next('delivery');
    assert.deepEqual(raw.texts(), ['an answer']);
  });
});
