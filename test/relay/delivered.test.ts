import assert from 'node:assert/strict';
import { lastValueFrom, toArray } from 'rxjs';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import { decodeV1 } from '../../src/crypto/index.ts';
import { createRelayOutbox, type Receipt, type RelayOutbox } from '../../src/outbox/index.ts';
import type { SentMessage } from '../../src/relay/client-frames.ts';
import { createCarrier, createRelayClient, type RelayClient, type RelayOptions } from '../../src/relay/index.ts';
import { openLmdbStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { directoryEntries, utf8 } from '../support/entities.ts';
import { rejected } from '../support/expect-error.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { lyingRelay } from './lying-relay.ts';
import { RawSocket } from './raw-socket.ts';
import { alice, bob, Cleanup, genesisHash, message, type TestMessage } from './support.ts';

describe('relay: the word that a message was delivered', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const sentOf = ({ id, envelope }: TestMessage): SentMessage => {
    const { to, sentAt } = decodeV1(envelope).header;
    return { to, messageId: id, sentAt };
  };
  const newest = { path: '/v1/ws?frames=2' };
  const client = (): RelayClient =>
    cleanup.add(createRelayClient({ genesisHash, allowPrivate: true }), (made) => made.stop());
  /** Bob takes all that is in his mailbox. */
  const takeAll = async (url: string, count = 1): Promise<void> => {
    const raw = await RawSocket.open(url, cleanup);
    await raw.login(bob);
    raw.send({ type: 'credit', deliveries: 100 });
    const { cursor } = await raw.next('delivery', count - 1);
    raw.send({ type: 'ack', upTo: cursor });
    await raw.next('acked');
  };

  it('comes to whoever knows the id of it, once its recipient has acknowledged it, or did before', async () => {
    const relay = await cleanup.relay();
    const raw = await RawSocket.open(relay.url, cleanup, newest);
    const sent = message(alice, bob);
    raw.send({ type: 'send', id: 1, signedEnvelope: sent.bytes });
    assert.equal((await raw.next('receipt')).status, 'stored');
    raw.send({ type: 'await-delivered', id: 2, ...sentOf(sent) });
    // Answered in turn: it is not delivered yet.
    await raw.challenge(3);
    assert.equal(raw.all('receipt').length, 1);
    await takeAll(relay.url);
    assert.deepEqual(await raw.next('receipt', 1), { type: 'receipt', id: 2, status: 'delivered', messageId: sent.id });
    const later = await RawSocket.open(relay.url, cleanup, newest);
    later.send({ type: 'await-delivered', id: 7, ...sentOf(sent) });
    assert.equal((await later.next('receipt')).status, 'delivered');
  });

  it('comes for each message by itself, in the order of acknowledgements', async () => {
    const relay = await cleanup.relay();
    const raw = await RawSocket.open(relay.url, cleanup, newest);
    const messages = Array.from({ length: 20 }, () => message(alice, bob));
    const cursors: bigint[] = [];
    for (const { id, bytes, envelope } of messages) {
      const sentAt = Number(decodeV1(envelope).header.sentAt);
      cursors.push((await relay.mailStore.append(bob.identity, id, bytes, undefined, sentAt)).cursor);
    }
    messages.forEach((sent, n) => raw.send({ type: 'await-delivered', id: n + 1, ...sentOf(sent) }));
    await raw.challenge(100);
    await relay.mailStore.ack(bob.identity, cursors[4] ?? 0n);
    await raw.next('receipt', 4);
    await raw.challenge(101);
    assert.deepEqual(
      raw.all('receipt').map(({ id }) => id),
      [1, 2, 3, 4, 5],
    );
    await relay.mailStore.ack(bob.identity, cursors[19] ?? 0n);
    await raw.next('receipt', 19);
  });

  it('tells a stranger nothing: neither of an id that it makes up, nor of a right one with the wrong time', async () => {
    const relay = await cleanup.relay();
    const raw = await RawSocket.open(relay.url, cleanup, newest);
    const sent = message(alice, bob);
    raw.send({ type: 'send', id: 1, signedEnvelope: sent.bytes });
    await raw.next('receipt');
    const known = sentOf(sent);
    const others: readonly SentMessage[] = [
      { ...known, messageId: `0x${'77'.repeat(32)}` },
      { ...known, sentAt: known.sentAt + 1n },
      { ...known, sentAt: 2n ** 64n - 1n },
    ];
    for (const [n, other] of others.entries()) {
      raw.send({ type: 'await-delivered', id: n + 2, ...other });
      assert.equal((await raw.next('error', n)).code, 'unknown-message');
    }
  });

  it('takes no place for a time that no message has', async () => {
    const relay = await cleanup.relay({ limits: { maxAwaitedReplies: 4, maxAwaitedDeliveries: 16 } });
    const raw = await RawSocket.open(relay.url, cleanup, newest);
    const sent = message(alice, bob);
    raw.send({ type: 'send', id: 1, signedEnvelope: sent.bytes });
    await raw.next('receipt');
    for (let n = 0; n < 8; n++) {
      raw.send({ type: 'await-delivered', id: n + 2, ...sentOf(sent), sentAt: 2n ** 53n + BigInt(n) });
      assert.equal((await raw.next('error', n)).code, 'unknown-message');
    }
    raw.send({ type: 'await-delivered', id: 20, ...sentOf(sent) });
    await takeAll(relay.url);
    assert.equal((await raw.next('receipt', 1)).status, 'delivered');
  });

  it('is waited for within bounds, of a connection and of an address, and not after forget', async () => {
    const relay = await cleanup.relay({ limits: { maxAwaitedReplies: 4, maxAwaitedDeliveries: 80 } });
    const store = async (): Promise<SentMessage> => {
      const made = message(alice, bob);
      const { to, sentAt, messageId } = sentOf(made);
      await relay.mailStore.append(to, messageId, made.bytes, undefined, Number(sentAt));
      return { to, sentAt, messageId };
    };
    const sockets = await Promise.all([1, 2, 3].map(() => RawSocket.open(relay.url, cleanup, newest)));
    const [first, second, third] = sockets;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    for (let id = 1; id <= 5; id++) first.send({ type: 'await-delivered', id, ...(await store()) });
    assert.deepEqual([(await first.next('error')).code, first.all('error').length], ['relay-busy', 1]);
    for (let id = 1; id <= 4; id++) second.send({ type: 'await-delivered', id, ...(await store()) });
    await second.challenge(50);
    for (let id = 1; id <= 4; id++) third.send({ type: 'await-delivered', id, ...(await store()) });
    // An eighth of 80.
    await third.next('error', 1);
    first.send({ type: 'forget', id: 1 });
    await first.challenge(60);
    third.send({ type: 'await-delivered', id: 9, ...(await store()) });
    await third.challenge(70);
    assert.equal(third.all('error').length, 2);
    second.socket.terminate();
    await until(async () => {
      third.send({ type: 'await-delivered', id: 10, ...(await store()) });
      const before = third.all('error').length;
      await third.challenge(80);
      return third.all('error').length === before;
    });
  });

  it('is not kept from others by eight addresses that wait for ever: the oldest of who waits for the most is told to come again', async () => {
    const relay = await cleanup.relay({ limits: { maxAwaitedDeliveries: 16 } });
    const raw = await RawSocket.open(relay.url, cleanup, newest);
    const sent = message(alice, bob);
    raw.send({ type: 'send', id: 1, signedEnvelope: sent.bytes });
    await raw.next('receipt');
    const others: RawSocket[] = [];
    for (let n = 0; n < 8; n++) {
      const other = await RawSocket.open(relay.url, cleanup, { ...newest, localAddress: `127.0.0.${n + 2}` });
      others.push(other);
      for (const id of [5, 6]) other.send({ type: 'await-delivered', id, ...sentOf(sent) });
      await other.challenge();
    }
    raw.send({ type: 'await-delivered', id: 2, ...sentOf(sent) });
    await raw.challenge();
    assert.deepEqual(raw.all('error'), []);
    assert.deepEqual(
      others.flatMap((other) => other.all('error')).map(({ id, code }) => [id, code]),
      [[5, 'relay-busy']],
    );
    await takeAll(relay.url);
    assert.equal((await raw.next('receipt', 1)).id, 2);
  });

  it('is not there for those who speak the older frames, who are told of no others', async () => {
    const relay = await cleanup.relay();
    const raw = await RawSocket.open(relay.url, cleanup);
    assert.equal((await raw.next('hello')).version, undefined);
    assert.equal((await (await RawSocket.open(relay.url, cleanup, newest)).next('hello')).version, 2);
    assert.equal(
      (await (await RawSocket.open(relay.url, cleanup, { path: '/v1/ws?frames=9' })).next('hello')).version,
      2,
    );
  });

  it('is what status$ of a receipt ends with, by WebSocket and by HTTP', async () => {
    const relay = await cleanup.relay();
    for (const endpoint of [relay.url, relay.url.replace('http', 'ws')]) {
      const receipt = await client().send(message(alice, bob).bytes, [endpoint]);
      const statuses = lastValueFrom(receipt.status$.pipe(toArray()));
      await takeAll(relay.url);
      assert.deepEqual(await statuses, ['stored', 'delivered']);
    }
  });

  it('comes at once from the recipient itself, which had the message before', async () => {
    const relay = await cleanup.relay({
      local: { identity: bob.identity, accept: () => Promise.resolve('duplicate') },
    });
    for (const endpoint of [relay.url, relay.url.replace('http', 'ws')]) {
      const receipt = await client().send(message(alice, bob).bytes, [endpoint]);
      assert.deepEqual(await lastValueFrom(receipt.status$.pipe(toArray())), ['duplicate', 'delivered']);
    }
    const raw = await RawSocket.open(relay.url, cleanup, newest);
    raw.send({ type: 'await-delivered', id: 1, ...sentOf(message(alice, bob)) });
    assert.equal((await raw.next('error')).code, 'unknown-message');
  });

  it('comes also where the relay was away meanwhile', async () => {
    const mailStore = await cleanup.store();
    const relay = await cleanup.relay({ mailStore });
    const port = Number(new URL(relay.url).port);
    const receipt = await client().send(message(alice, bob).bytes, [relay.url]);
    const last = lastValueFrom(receipt.status$);
    await relay.stop();
    const again = await cleanup.relay({ mailStore, listen: { port } });
    await takeAll(again.url);
    assert.equal(await last, 'delivered');
  });

  it('comes through the relay that handed the message on', async () => {
    const b = await cleanup.relay();
    const endpoints = [b.url];
    const options: Partial<RelayOptions> = {
      recipients: [],
      workerState: { get: (id: Hex) => (id === bob.identity ? { endpoints } : undefined) },
      forwardStore: await cleanup.store(),
    };
    const a = await cleanup.relay(options);
    const sent = message(alice, bob);
    const sender = client();
    const { status, endpoint } = await sender.send(sent.bytes, [a.url]);
    assert.equal(status, 'forwarded');
    const delivered = sender.awaitDelivered({
      ...{ url: endpoint, ...sentOf(sent), handedOn: { to: bob.identity, endpoints } },
      signal: new AbortController().signal,
    });
    await until(async () => (await b.mailStore.totals()).count === 1);
    await takeAll(b.url);
    await delivered;
  });

  describe('of what a durable queue sent', () => {
    const body = { kind: 'data', content: utf8('hello') } as const;
    const recipient = createMemoryVault({ identity: bob.keys });
    const sender = createMemoryVault();

    /** On a store that lasts: one process after the other opens it. */
    const queueAt = async (path: string, endpoints: readonly string[], forwarders: readonly string[] = []) => {
      const store = cleanup.add(await openLmdbStore({ path }), (made) => made.close());
      const directory = new Map(
        (await directoryEntries(recipient)).map(([id, entry]) => [id, { ...entry, endpoints }] as const),
      );
      const carrier = createCarrier({ client: client(), directory, forwarders, allowPrivate: true });
      const outbox = cleanup.add(createRelayOutbox({ genesisHash, vault: sender, store, directory, carrier }), (made) =>
        made.stop(),
      );
      await outbox.start();
      return {
        outbox,
        stop: async () => {
          await outbox.stop();
          await store.close();
        },
      };
    };
    const send = (outbox: RelayOutbox) =>
      outbox.send({ to: bob.identity, body, deliveryReceipt: true, freshKey: true });
    const statusOf = async ({ reached }: Receipt): Promise<string> => {
      const arrival = await reached('finalized');
      return arrival.state === 'relayed' ? arrival.status : arrival.state;
    };
    let path: string;
    beforeEach(async () => {
      path = await cleanup.folder();
    });

    it('comes after stored, for each message its own', async () => {
      const relay = await cleanup.relay();
      const { outbox } = await queueAt(path, [relay.url]);
      const receipts = [];
      for (let n = 0; n < 5; n++) receipts.push(await send(outbox));
      for (const receipt of receipts) assert.equal(await statusOf(receipt), 'stored');
      const words = receipts.map((receipt) => receipt.delivered());
      await takeAll(relay.url, 5);
      await Promise.all(words);
    });

    it('comes to the next process, where the recipient took it while there was none', async () => {
      const mailStore = await cleanup.store();
      const relay = await cleanup.relay({ mailStore });
      const port = Number(new URL(relay.url).port);
      const first = await queueAt(path, [relay.url]);
      const receipt = await send(first.outbox);
      const { sendId } = receipt;
      assert.equal(await statusOf(receipt), 'stored');
      await first.stop();
      await relay.stop();

      const again = await cleanup.relay({ mailStore, listen: { port } });
      await takeAll(again.url);
      const second = await queueAt(path, [again.url]);
      const word = await (await second.outbox.receipt(sendId))?.delivered();
      assert.ok(word !== undefined);
      await second.stop();
      const { url } = again;
      await again.stop();

      // Nobody needs to be asked again.
      const third = await queueAt(path, [url]);
      assert.deepEqual(await (await third.outbox.receipt(sendId))?.delivered(), word);
    });

    it('comes where a relay handed the message on, from the one that keeps it', async () => {
      const port = await freePort();
      const endpoints = [`http://127.0.0.1:${port}`];
      const forwarder = await cleanup.relay({
        recipients: [],
        workerState: { get: (id: Hex) => (id === bob.identity ? { endpoints } : undefined) },
        forwardStore: await cleanup.store(),
      });
      const { outbox } = await queueAt(path, endpoints, [forwarder.url]);
      const receipt = await send(outbox);
      assert.equal(await statusOf(receipt), 'forwarded');
      const word = receipt.delivered();
      const relay = await cleanup.relay({ listen: { port } });
      await until(async () => (await relay.mailStore.totals()).count === 1);
      await takeAll(relay.url);
      await word;
    });
  });

  it('is not waited for in vain: not at an older relay, not for what none is known of, not after an abort', async () => {
    const sent = message(alice, bob);
    const old = await lyingRelay(cleanup, (frame, lie) => {
      if (frame.type === 'send') lie.say({ type: 'receipt', id: frame.id, status: 'stored', messageId: sent.id });
    });
    const receipt = await client().send(sent.bytes, [old.url]);
    assert.deepEqual(await lastValueFrom(receipt.status$.pipe(toArray())), ['stored']);
    const ended = new AbortController();
    const wait = { ...sentOf(sent), signal: ended.signal };
    await rejected(client().awaitDelivered({ ...wait, url: old.url }), 'delivery-untold');
    const relay = await cleanup.relay();
    await rejected(client().awaitDelivered({ ...wait, url: relay.url }), 'unknown-message');
    await relay.mailStore.append(bob.identity, sent.id, sent.bytes, undefined, Number(wait.sentAt));
    const waiting = client().awaitDelivered({ ...wait, url: relay.url });
    ended.abort();
    await rejected(waiting, 'aborted');
  });
});
