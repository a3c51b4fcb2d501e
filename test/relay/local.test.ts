import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import { decodeEcdhRecord, ecdhRecordContent, messageId } from '../../src/codec/index.ts';
import { signWith, verify } from '../../src/crypto/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { createRelayClient, type LocalEntity } from '../../src/relay/index.ts';
import { RawSocket, textOf } from './raw-socket.ts';
import { until } from '../support/until.ts';
import { alice, bob, carol, Cleanup, genesisHash, message, signer, type Entity } from './support.ts';

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
    assert.deepEqual(Uint8Array.from(accepted[0] ?? []), sent.envelope);
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

  it('hands an answer to the key that asked, over the connection that asked, registered or not', async () => {
    const relay = await cleanup.relay({
      recipients: [],
      local: local(async (envelope) => {
        const asked = messageId({ genesisHash, envelope });
        await relay.postReply(message(bob, alice, { text: `reply to ${asked}` }).bytes);
        return 'accepted';
      }),
    });
    const sender = client();
    const { bytes, id } = message(alice, bob);
    await sender.send(bytes, [relay.url.replace('http', 'ws')]);
    const answer = await sender.awaitReply({ ...boxOf(alice, relay.url), open: async (signed) => textOf(signed) });
    assert.equal(answer, `reply to ${id}`);
    const metrics = await (await fetch(`${relay.url}/metrics`)).text();
    assert.match(metrics, /^khala_relay_connections 1$/m);
  });

  it('keeps an answer until somebody comes for it, and until it is taken', async () => {
    const relay = await cleanup.relay({ recipients: [], local: local(() => Promise.resolve('accepted')) });
    const reply = message(bob, carol, { text: 'an answer' });
    assert.equal((await relay.postReply(reply.bytes)).status, 'stored');
    assert.equal((await relay.postReply(reply.bytes)).status, 'duplicate');
    await assert.rejects(relay.postReply(message(bob, carol, { signer: alice }).bytes), RelayError);
    const open = async (signed: Uint8Array) => textOf(signed);
    assert.equal(await client().awaitReply({ ...boxOf(carol, relay.url), open }), 'an answer');
    await until(async () => (await relay.mailStore.totals()).count === 0);
  });
});

/** Where `who` waits for what is answered to its key. */
function boxOf(who: Entity, url: string) {
  const { identity, keys } = who;
  const { signal } = new AbortController();
  return { url, identity, sign: signer(who), senderKey: keys.publicKey, signal };
}
