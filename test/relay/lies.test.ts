import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import { messageId, decodeSignedEnvelope } from '../../src/codec/index.ts';
import type { ClientFrame } from '../../src/relay/frames.ts';
import { createRelayClient, type NodeRelayClientOptions } from '../../src/relay/index.ts';
import { rejected } from '../support/expect-error.ts';
import { until } from '../support/until.ts';
import { lyingRelay, type Lie } from './lying-relay.ts';
import { alice, bob, Cleanup, genesisHash, message, signer } from './support.ts';

describe('relay client and relays that lie or fail', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const client = (options: Partial<NodeRelayClientOptions> = {}) =>
    cleanup.add(createRelayClient({ genesisHash, allowPrivate: true, ...options }), (made) => made.stop());
  const idOf = (frame: ClientFrame): number => ('id' in frame ? frame.id : 0);
  const receiptOf = (frame: ClientFrame) => {
    assert.ok(frame.type === 'send');
    const { envelope } = decodeSignedEnvelope(frame.signedEnvelope);
    return {
      type: 'receipt',
      id: frame.id,
      status: 'stored',
      messageId: messageId({ genesisHash, envelope }),
    } as const;
  };

  const lies: readonly (readonly [what: string, answer: (frame: ClientFrame, lie: Lie) => void])[] = [
    [
      'acknowledges another message',
      (frame, { say }) => {
        say({ type: 'receipt', id: idOf(frame), status: 'stored', messageId: `0x${'66'.repeat(32)}` });
      },
    ],
    [
      'answers what was not asked',
      (frame, { say }) => {
        say({ type: 'reply', id: idOf(frame), cursor: 1n, signedEnvelope: new Uint8Array() });
      },
    ],
    [
      'sends garbage',
      (_, { socket }) => {
        socket.send(Uint8Array.of(0xff, 1, 2, 3));
      },
    ],
    [
      'sends text',
      (_, { socket }) => {
        socket.send('hello');
      },
    ],
    [
      'hangs up',
      (_, { socket }) => {
        socket.terminate();
      },
    ],
    ['says nothing', () => undefined],
    [
      'says that it is full',
      (frame, { say }) => {
        say({ type: 'error', id: idOf(frame), code: 'relay-busy', message: '', remedy: '', details: '{}' });
      },
    ],
  ];
  for (const [what, answer] of lies)
    it(`goes to the next where one ${what}, and next time there first`, async () => {
      const liar = await lyingRelay(cleanup, answer);
      const relay = await cleanup.relay();
      const sender = client({ timeoutMs: 1_000, health: { backoff: { firstMs: 600_000, mostMs: 600_000 } } });
      const endpoints = [liar.url, relay.url];
      assert.equal((await sender.send(message(alice, bob).bytes, endpoints)).endpoint, relay.url);
      const seen = liar.count();
      assert.equal((await sender.send(message(alice, bob).bytes, endpoints)).endpoint, relay.url);
      assert.equal(liar.count(), seen);
    });

  it('makes a connection again that breaks under requests, and sends them again', async () => {
    const relay = await lyingRelay(cleanup, (frame, { say, socket }, connection) => {
      if (connection === 1) socket.terminate();
      else say(receiptOf(frame));
    });
    const sender = client();
    const sent = Array.from({ length: 20 }, () => message(alice, bob));
    const receipts = await Promise.all(sent.map(({ bytes }) => sender.send(bytes, [relay.url])));
    assert.deepEqual(
      receipts.map(({ messageId: id }) => id),
      sent.map(({ id }) => id),
    );
    assert.equal(relay.count(), 2);
  });

  it('gives a connection up that says nothing any more, and does not wait for it twice', async () => {
    const relay = await lyingRelay(cleanup, (frame, { say }, connection) => {
      if (connection > 1) say(receiptOf(frame));
    });
    const sender = client({ timeoutMs: 500 });
    await rejected(sender.send(message(alice, bob).bytes, [relay.url]), 'relay-timeout');
    assert.equal((await sender.send(message(alice, bob).bytes, [relay.url])).status, 'stored');
    assert.equal(relay.count(), 2);
  });

  it('finds out that the relay which it waits at is gone, though nobody tells it', async () => {
    let isMute = false;
    const relay = await lyingRelay(cleanup, (frame, { say }, connection) => {
      if (isMute && connection === 1) return;
      const generation = `0x${'00'.repeat(16)}` as const;
      if (frame.type === 'challenge-me')
        say({ type: 'challenge', id: frame.id, serverNonce: new Uint8Array(32), expiresAt: 1n });
      if (frame.type === 'prove') say({ type: 'logged-in', id: frame.id, generation, acknowledged: 0n });
      if (frame.type === 'await-reply' && connection === 1) isMute = true;
      if (frame.type === 'await-reply' && connection === 2)
        say({ type: 'reply', id: frame.id, cursor: 1n, signedEnvelope: Uint8Array.of(7) });
    });
    // Connections that wait are probed every half of idleMs.
    const waiter = client({ timeoutMs: 300, idleMs: 400 });
    const answer = await waiter.awaitReply({
      url: relay.url,
      identity: alice.identity,
      sign: signer(alice),
      senderKey: alice.keys.publicKey,
      signal: new AbortController().signal,
      open: async (signedEnvelope) => signedEnvelope,
    });
    assert.deepEqual(Uint8Array.from(answer), Uint8Array.of(7));
    await until(() => relay.count() === 2);
  });
});
