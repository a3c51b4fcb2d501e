import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, describe, it } from 'mocha';
import { messageId, decodeSignedEnvelope, type Hex } from '../../src/codec/index.ts';
import type { RelayError } from '../../src/errors/index.ts';
import { createRelayOutbox } from '../../src/outbox/index.ts';
import type { ClientFrame } from '../../src/relay/client-frames.ts';
import { createCarrier, createRelayClient, type NodeRelayClientOptions } from '../../src/relay/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { directoryEntries, utf8 } from '../support/entities.ts';
import { rejected } from '../support/expect-error.ts';
import { until } from '../support/until.ts';
import { lyingRelay, type Lie } from './lying-relay.ts';
import { alice, bob, Cleanup, genesisHash, message, signer } from './support.ts';

const generation: Hex = `0x${'00'.repeat(16)}`;

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
  for (const code of ['aborted', 'client-stopped', 'epoch-erased', 'store-failed', 'locked'])
    it(`goes to the next where one says ${code}, which is not for it to say`, async () => {
      const liar = await lyingRelay(cleanup, (frame, { say }) => {
        say({ type: 'error', id: idOf(frame), code, message: 'so it is', remedy: '', details: '{"record":"ecdh:00"}' });
      });
      const relay = await cleanup.relay();
      const { endpoint } = await client().send(message(alice, bob).bytes, [liar.url, relay.url]);
      assert.equal(endpoint, relay.url);
      const alone = await client()
        .send(message(alice, bob).bytes, [liar.url])
        .catch((error: unknown) => error as RelayError);
      assert.equal('code' in alone && alone.code, code === 'epoch-erased' ? code : 'relay-refused');
    });

  for (const [what, answer] of lies)
    it(`goes to the next where one ${what}, and next time there first`, async () => {
      const liar = await lyingRelay(cleanup, answer);
      const relay = await cleanup.relay();
      // The honest one has as long, on a machine with much to do as well.
      const timeoutMs = what === 'says nothing' ? 4_000 : 30_000;
      const sender = client({ timeoutMs, health: { backoff: { firstMs: 600_000, mostMs: 600_000 } } });
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

  it('has no more unanswered than the window of the relay, whatever it is asked to send', async () => {
    const asked: ClientFrame[] = [];
    let relay: Lie | undefined;
    const { url } = await lyingRelay(cleanup, (frame, lie) => {
      relay = lie;
      asked.push(frame);
    });
    const sender = client();
    const sent = Promise.all(Array.from({ length: 20 }, () => sender.send(message(alice, bob).bytes, [url])));
    for (let answered = 0; answered < 20; answered++) {
      await until(() => asked.length >= Math.min(20, answered + 8));
      // The relay has all that was written before it has the answer to a ping.
      const { socket, say } = relay ?? assert.fail('nothing came');
      const ponged = once(socket, 'pong');
      socket.ping();
      await ponged;
      assert.equal(asked.length, Math.min(20, answered + 8));
      say(receiptOf(asked[answered] ?? assert.fail('nothing to answer')));
    }
    assert.equal((await sent).length, 20);
  });

  it('tries again from its queue what a relay failed at, however often, and says so', async () => {
    let failures = 3;
    const relay = await lyingRelay(cleanup, (frame, { say }) => {
      if (failures-- <= 0) say(receiptOf(frame));
      else say({ type: 'error', id: idOf(frame), code: 'relay-failed', message: '', remedy: '', details: '{}' });
    });
    const [vault, recipient] = [createMemoryVault(), createMemoryVault()];
    const entries = await directoryEntries(recipient);
    const directory = new Map(entries.map(([id, entry]) => [id, { ...entry, endpoints: [relay.url] }] as const));
    const carrier = createCarrier({ client: client(), directory, allowPrivate: true });
    const setbacks: string[] = [];
    const onSetback = ({ code }: RelayError): void => {
      setbacks.push(code);
      outbox.tryAgain();
    };
    const outbox = createRelayOutbox({ genesisHash, vault, store: openMemoryStore(), directory, carrier, onSetback });
    cleanup.add(outbox, (made) => made.stop());
    await outbox.start();
    const body = { kind: 'data', content: utf8('hello') } as const;
    const receipt = await outbox.send({ to: recipient.identity, body, via: 'relay' });
    assert.equal((await receipt.reached('finalized')).state, 'relayed');
    assert.deepEqual(setbacks, ['relay-failed', 'relay-failed', 'relay-failed']);
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

  it('asks ever more seldom for an answer where it gets nothing but rubbish', async () => {
    let asked = 0;
    const liar = await lyingRelay(cleanup, (frame, { say }) => {
      if (frame.type === 'challenge-me')
        say({ type: 'challenge', id: idOf(frame), serverNonce: new Uint8Array(32), expiresAt: 2n ** 60n });
      if (frame.type === 'prove') say({ type: 'logged-in', id: idOf(frame), generation, acknowledged: 0n });
      if (frame.type !== 'await-reply') return;
      asked += 1;
      say({ type: 'reply', id: idOf(frame), cursor: BigInt(asked), signedEnvelope: Uint8Array.of(1) });
    });
    const gone = new AbortController();
    let opened = 0;
    const waiting = client().awaitReply({
      ...{ url: liar.url, identity: bob.identity, sign: signer(bob), senderKey: bob.keys.publicKey },
      signal: gone.signal,
      backoff: { firstMs: 3_600_000, mostMs: 3_600_000 },
      open: async () => {
        opened += 1;
        return undefined;
      },
    });
    const ended = rejected(waiting, 'aborted');
    await until(() => opened === 17);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(opened, 17);
    gone.abort();
    await ended;
  });
});
