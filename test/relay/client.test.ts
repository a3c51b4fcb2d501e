import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { firstValueFrom } from 'rxjs';
import { afterEach, describe, it } from 'mocha';
import { ecdhRecordContent, encodeEcdhRecord } from '../../src/codec/index.ts';
import { signWith } from '../../src/crypto/index.ts';
import { isRelayError, RelayError } from '../../src/errors/index.ts';
import { createRelayClient, type Relay, type ReceiverEvent, type RelayClient } from '../../src/relay/index.ts';
import type { LoginRequest, NodeRelayClientOptions, ReceiveOptions, RelayDelivery } from '../../src/relay/index.ts';
import { lyingRelay } from './lying-relay.ts';
import { textOf } from './raw-socket.ts';
import { until } from '../support/until.ts';
import { alice, bob, carol, Cleanup, genesisHash, message, signer, type Entity } from './support.ts';

const backoff = { firstMs: 5, mostMs: 20 };

describe('relay client', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const client = (options: Partial<NodeRelayClientOptions> = {}): RelayClient =>
    cleanup.add(createRelayClient({ genesisHash, allowPrivate: true, ...options }), (made) => made.stop());
  const ws = (relay: Relay): string => relay.url.replace('http', 'ws');
  const portOf = (server: Server): number => (server.address() as AddressInfo).port;
  const listening = async <T extends Server>(server: T): Promise<T> => {
    cleanup.add(server, () => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server;
  };
  /** Takes connections and never says a word. */
  const silent = async (): Promise<number> =>
    portOf(
      await listening(
        createServer((socket) => {
          cleanup.add(socket, () => socket.destroy());
          socket.on('error', () => undefined);
        }),
      ),
    );
  const receive = (from: RelayClient, url: string, who: Entity, options: Partial<ReceiveOptions> = {}) => {
    const events: ReceiverEvent[] = [];
    const ended: { error?: unknown } = {};
    const subscription = from
      .receive({ url, identity: who.identity, sign: signer(who), backoff, ...options })
      .subscribe({
        next: (event) => events.push(event),
        error: (error: unknown) => (ended.error = error),
      });
    cleanup.add(subscription, (made) => {
      made.unsubscribe();
    });
    const deliveries = (): RelayDelivery[] => events.filter((event) => event.type === 'delivery');
    const count = (type: ReceiverEvent['type']): number => events.filter((event) => event.type === type).length;
    const texts = (): string[] => deliveries().map(({ signedEnvelope }) => textOf(signedEnvelope));
    return { deliveries, count, texts, ended, subscription };
  };

  describe('sends', () => {
    it('by HTTP or WebSocket, as the URL says', async () => {
      const relay = await cleanup.relay();
      const sender = client();
      for (const endpoint of [relay.url, ws(relay)]) {
        const { id, bytes } = message(alice, bob);
        const expected = { endpoint, messageId: id };
        for (const status of ['stored', 'duplicate']) {
          const { status$, ...receipt } = await sender.send(bytes, [endpoint]);
          assert.deepEqual(receipt, { ...expected, status });
          assert.equal(await firstValueFrom(status$), status);
        }
      }
    });

    it('many at once over one connection, more than the window of the relay', async () => {
      const relay = await cleanup.relay({ limits: { window: 8 } });
      const sender = client();
      const receipts = await Promise.all(
        Array.from({ length: 200 }, () => sender.send(message(alice, bob).bytes, [ws(relay)])),
      );
      assert.ok(receipts.every(({ status }) => status === 'stored'));
      assert.match(await (await fetch(`${relay.url}/metrics`)).text(), /^khala_relay_connections 1$/m);
    });

    it('many at once by HTTP, over no more connections than a relay grants to an address', async () => {
      const relay = await cleanup.relay();
      const sender = client();
      const messages = Array.from({ length: 1_000 }, () => message(alice, bob).bytes);
      const receipts = await Promise.all(messages.map((bytes) => sender.send(bytes, [relay.url])));
      assert.ok(receipts.every(({ status }) => status === 'stored'));
    });

    it('to the next endpoint where one is down, refused, no relay or of another chain', async () => {
      const relay = await cleanup.relay();
      const foreign = await cleanup.relay({ genesisHash: `0x${'99'.repeat(32)}` });
      const notServing = await cleanup.relay({ recipients: [] });
      const web = await listening(createHttpServer((_, response) => response.end('<html>')));
      const sender = client();
      for (const bad of [
        ...['http://127.0.0.1:1', 'ws://127.0.0.1:1'],
        ...[foreign.url, ws(foreign), notServing.url, ws(notServing)],
        ...[`http://127.0.0.1:${portOf(web)}`, `ws://127.0.0.1:${portOf(web)}`],
        ...['nonsense', 'ftp://127.0.0.1', 'http://0.0.0.0:80', 'ws://0.0.0.0:80'],
      ]) {
        const receipt = await sender.send(message(alice, bob).bytes, [bad, relay.url]);
        assert.deepEqual([receipt.endpoint, receipt.status], [relay.url, 'stored'], bad);
      }
    });

    it('to the next endpoint where one says nothing', async () => {
      const relay = await cleanup.relay();
      const mute = await silent();
      const sender = client({ timeoutMs: 200 });
      for (const bad of [`http://127.0.0.1:${mute}`, `ws://127.0.0.1:${mute}`]) {
        const { bytes } = message(alice, bob);
        // Of a machine with much to do the relay is no faster: then nobody has answered in time.
        const receipt = await until(() =>
          sender.send(bytes, [bad, relay.url]).catch((error: unknown) => {
            assert.ok(isRelayError(error, 'relay-timeout'), String(error));
            return undefined;
          }),
        );
        assert.equal(receipt.endpoint, relay.url, bad);
        assert.equal((await relay.mailStore.read(bob.identity, 0n)).at(-1)?.bytes.length, bytes.length);
      }
    });

    it('nowhere else what the recipient itself refused', async () => {
      const [identity, ecdhPublic] = [bob.identity, carol.keys.publicKey];
      const signature = signWith(bob.keys, ecdhRecordContent({ genesisHash, identity, ecdhPublic, epoch: 2 }));
      const record = encodeEcdhRecord({ ecdhPublic, epoch: 2, signature });
      const erased = () => Promise.reject(new RelayError('epoch-erased', { details: { epoch: 1, record } }));
      const relay = await cleanup.relay({ local: { identity: bob.identity, accept: erased } });
      const other = await cleanup.relay();
      for (const endpoint of [relay.url, ws(relay)])
        await assert.rejects(client().send(message(alice, bob).bytes, [endpoint, other.url]), (error) =>
          isRelayError(error, 'epoch-erased'),
        );
      assert.equal((await other.mailStore.totals()).count, 0);
    });

    it('with the reason when every endpoint gives the same', async () => {
      const [relay, other] = [await cleanup.relay(), await cleanup.relay()];
      const late = message(alice, bob, { header: { sentAt: 1 } });
      await assert.rejects(client().send(late.bytes, [relay.url, ws(other)]), (error) =>
        isRelayError(error, 'clock-skew'),
      );
    });

    it('with one error for all when nobody takes it', async () => {
      const sender = client();
      const { bytes } = message(alice, bob);
      const relay = await cleanup.relay({ recipients: [] });
      await assert.rejects(sender.send(bytes, [relay.url]), (error) => isRelayError(error, 'recipient-not-served'));
      await assert.rejects(sender.send(bytes, ['http://127.0.0.1:1', relay.url]), (error) => {
        assert.ok(isRelayError(error, 'no-endpoint-answered') && isRelayError(error.cause, 'recipient-not-served'));
        return error.details?.['count'] === 2;
      });
      await assert.rejects(sender.send(bytes, []), (error) => isRelayError(error, 'no-endpoint-answered'));
    });

    it('to no private address unless that is allowed', async () => {
      const relay = await cleanup.relay();
      for (const endpoint of [relay.url, ws(relay), relay.url.replace('127.0.0.1', 'localhost')])
        await assert.rejects(client({ allowPrivate: false }).send(message(alice, bob).bytes, [endpoint]), (error) =>
          isRelayError(error, 'endpoint-refused'),
        );
    });

    it('until its caller gives up', async () => {
      const mute = await silent();
      for (const scheme of ['http', 'ws']) {
        const gone = new AbortController();
        const sending = client().send(message(alice, bob).bytes, [`${scheme}://127.0.0.1:${mute}`], {
          signal: gone.signal,
        });
        gone.abort();
        await assert.rejects(sending, (error) => isRelayError(error, 'aborted'));
      }
    });

    it('nothing after it was stopped, and fails what is under way', async () => {
      const mute = await silent();
      const sender = client();
      const sending = sender.send(message(alice, bob).bytes, [`ws://127.0.0.1:${mute}`]);
      const failing = assert.rejects(sending, RelayError);
      await sender.stop();
      await sender.stop();
      await failing;
      await assert.rejects(sender.send(message(alice, bob).bytes, [`ws://127.0.0.1:${mute}`]), (error) =>
        isRelayError(error, 'client-stopped'),
      );
    });

    it('over a new connection when the old one is lost', async () => {
      const relay = await cleanup.relay();
      const sender = client();
      const port = Number(new URL(relay.url).port);
      await sender.send(message(alice, bob).bytes, [ws(relay)]);
      await relay.stop();
      const again = await cleanup.relay({ listen: { port }, mailStore: relay.mailStore });
      assert.equal((await sender.send(message(alice, bob).bytes, [ws(again)])).status, 'stored');
    });
  });

  describe('receives', () => {
    const fill = async (relay: Relay, from: number, to: number): Promise<void> => {
      const sender = client();
      for (let n = from; n < to; n++) await sender.send(message(alice, bob, { text: `mail ${n}` }).bytes, [ws(relay)]);
    };
    const mail = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `mail ${from + n}`);

    it('what came while it was away, then what comes, in order', async () => {
      const relay = await cleanup.relay();
      await fill(relay, 0, 5);
      const receiver = receive(client(), relay.url, bob);
      await until(() => receiver.deliveries().length === 5);
      await fill(relay, 5, 8);
      await until(() => receiver.deliveries().length === 8);
      assert.deepEqual(receiver.texts(), mail(0, 8));
      for (const delivery of receiver.deliveries()) delivery.ack();
      await until(async () => (await relay.mailStore.stats(bob.identity)).count === 0);
    });

    it('no more at once than its window, until it acknowledges', async () => {
      const relay = await cleanup.relay();
      await fill(relay, 0, 10);
      const receiver = receive(client(), relay.url, bob, { window: 4 });
      await until(() => receiver.deliveries().length === 4);
      receiver.deliveries()[1]?.ack();
      receiver.deliveries()[0]?.ack();
      receiver.deliveries()[0]?.ack();
      await until(() => receiver.deliveries().length === 6);
      await until(async () => (await relay.mailStore.stats(bob.identity)).count === 8);
      assert.deepEqual(receiver.texts(), mail(0, 6));
    });

    it('each message once over restarts of the relay, and loses none', async () => {
      const path = await cleanup.folder();
      let mailStore = await cleanup.store({ path });
      let relay = await cleanup.relay({ mailStore });
      const port = Number(new URL(relay.url).port);
      const receiver = receive(client(), relay.url, bob);
      let sent = 0;
      for (let round = 0; round < 3; round++) {
        await fill(relay, sent, (sent += 10));
        await until(() => receiver.deliveries().length === sent);
        // Every other one is done with before the relay goes.
        receiver.deliveries().forEach((delivery, n) => n % 2 === round % 2 && delivery.ack());
        await relay.stop();
        await mailStore.close();
        mailStore = await cleanup.store({ path });
        relay = await cleanup.relay({ mailStore, listen: { port } });
      }
      for (const delivery of receiver.deliveries()) delivery.ack();
      await until(async () => (await mailStore.stats(bob.identity)).count === 0);
      assert.deepEqual(receiver.texts(), mail(0, 30));
      assert.ok(receiver.count('ready') >= 3 && receiver.count('lost') >= 3);
    });

    for (const when of ['before', 'after'] as const)
      it(`once what a relay gave that died before it was on its disk, acknowledged ${when} it comes again`, async () => {
        const [first, second] = [
          message(alice, bob, { text: 'mail 0' }).bytes,
          message(alice, bob, { text: 'mail 1' }).bytes,
        ];
        // As relays number what they gave before they died, and after.
        const given = [
          [[1n, first]],
          [
            [2n ** 40n, first],
            [2n ** 40n + 1n, second],
          ],
        ] as const;
        const acks: bigint[][] = [[], []];
        const begun = new Set<number>();
        const relay = await lyingRelay(cleanup, (frame, { say, socket }, connection) => {
          const turn = Math.min(connection, 2) - 1;
          if (frame.type === 'challenge-me')
            say({ type: 'challenge', id: frame.id, serverNonce: new Uint8Array(32), expiresAt: 2n ** 60n });
          if (frame.type === 'login')
            say({ type: 'logged-in', id: frame.id, generation: `0x${'00'.repeat(16)}`, acknowledged: 0n });
          if (frame.type === 'credit' && !begun.has(connection)) {
            begun.add(connection);
            for (const [cursor, signedEnvelope] of given[turn] ?? []) say({ type: 'delivery', cursor, signedEnvelope });
            if (turn === 0 && when === 'after') socket.close();
          }
          if (frame.type !== 'ack') return;
          acks[turn]?.push(frame.upTo);
          if (turn === 0) socket.close();
        });
        const receiver = receive(client(), relay.url, bob);
        await until(() => receiver.deliveries().length >= 1);
        if (when === 'before') receiver.deliveries()[0]?.ack();
        await until(() => receiver.deliveries().length >= 2);
        if (when === 'after') assert.deepEqual(acks, [[], []]);
        for (const delivery of receiver.deliveries()) delivery.ack();
        await until(() => acks[1]?.at(-1) === 2n ** 40n + 1n);
        assert.deepEqual(receiver.texts(), mail(0, 2));
      });

    it('again, in the next process, what it did not acknowledge in this one', async () => {
      const relay = await cleanup.relay();
      await fill(relay, 0, 4);
      const first = receive(client(), relay.url, bob);
      await until(() => first.deliveries().length === 4);
      first.deliveries()[0]?.ack();
      first.deliveries()[2]?.ack();
      first.subscription.unsubscribe();
      await until(async () => (await relay.mailStore.stats(bob.identity)).count === 3);
      const second = receive(client(), relay.url, bob);
      await until(() => second.deliveries().length === 3);
      assert.deepEqual(second.texts(), mail(1, 4));
    });

    it('from the start when the relay lost its store', async () => {
      const relay = await cleanup.relay();
      const port = Number(new URL(relay.url).port);
      const receiver = receive(client(), relay.url, bob);
      await fill(relay, 0, 3);
      await until(() => receiver.deliveries().length === 3);
      await relay.stop();
      const fresh = await cleanup.relay({ listen: { port } });
      await fill(fresh, 3, 5);
      await until(() => receiver.deliveries().length === 5);
      assert.deepEqual(receiver.texts(), mail(0, 5));
    });

    it('nothing and tells why where the login is refused', async () => {
      const relay = await cleanup.relay();
      const receiver = receive(client(), relay.url, bob, { sign: signer(carol) });
      await until(() => isRelayError(receiver.ended.error, 'login-refused'));
    });

    it('after challenges that expired while they were signed: the machine slept, or the clock of the relay was set', async () => {
      let now = Date.now();
      const relay = await cleanup.relay({ clock: () => now });
      await fill(relay, 0, 1);
      let signed = 0;
      const sign = async (login: LoginRequest): Promise<Uint8Array> => {
        signed += 1;
        if (signed < 4) now += 61_000;
        return signer(bob)(login);
      };
      const receiver = receive(client(), relay.url, bob, { sign });
      await until(() => receiver.deliveries().length === 1);
      assert.deepEqual([signed, receiver.count('lost'), receiver.ended.error], [4, 1, undefined]);
    });

    it('nothing and tells why where the login can not be signed', async () => {
      const relay = await cleanup.relay();
      const error = new Error('the vault is locked');
      const receiver = receive(client(), relay.url, bob, { sign: () => Promise.reject(error) });
      await until(() => receiver.ended.error !== undefined);
      assert.equal(receiver.ended.error, error);
    });

    it('after a login that took longer than it waits, though the connection was alive meanwhile', async () => {
      const relay = await cleanup.relay();
      const { mailStore } = relay;
      const claim = mailStore.claim.bind(mailStore);
      let go = (): void => undefined;
      const held = new Promise<void>((resolve) => (go = resolve));
      mailStore.claim = async (...args) => {
        await held;
        return claim(...args);
      };
      const both = client({ timeoutMs: 500 });
      const receiver = receive(both, relay.url, bob);
      // By the same connection: the relay is not gone.
      while (receiver.count('lost') === 0) {
        const sending = both.send(message(alice, bob).bytes, [ws(relay)]);
        await sending.catch(() => undefined);
      }
      await until(() => receiver.count('lost') >= 2);
      go();
      await until(() => receiver.count('ready') === 1 || receiver.ended.error !== undefined);
      assert.equal(receiver.ended.error, undefined);
      await until(() => receiver.deliveries().length > 0);
    });

    it('no longer when another process took its place', async () => {
      const relay = await cleanup.relay();
      const older = receive(client(), relay.url, bob);
      await until(() => older.count('ready') === 1);
      const newer = receive(client(), relay.url, bob);
      await until(() => isRelayError(older.ended.error, 'session-replaced'));
      await until(() => newer.count('ready') === 1);
      assert.equal(newer.ended.error, undefined);
    });

    it('for two identities by one client', async () => {
      const relay = await cleanup.relay({ recipients: [bob.identity, carol.identity] });
      const both = client();
      const receivers = [receive(both, relay.url, bob), receive(both, relay.url, carol)];
      await until(() => receivers.every(({ count }) => count('ready') === 1));
      await both.send(message(alice, bob, { text: 'to bob' }).bytes, [ws(relay)]);
      await both.send(message(alice, carol, { text: 'to carol' }).bytes, [ws(relay)]);
      await until(() => receivers.every(({ deliveries }) => deliveries().length === 1));
      assert.deepEqual(
        receivers.map(({ texts }) => texts()),
        [['to bob'], ['to carol']],
      );
    });

    it('ends its connection when nobody listens any more', async () => {
      const relay = await cleanup.relay();
      const receiver = receive(client(), relay.url, bob);
      await until(() => receiver.count('ready') === 1);
      receiver.subscription.unsubscribe();
      await until(async () =>
        (await (await fetch(`${relay.url}/metrics`)).text()).includes('khala_relay_connections 0'),
      );
    });
  });
});
