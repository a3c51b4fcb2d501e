import assert from 'node:assert/strict';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { WebSocket } from 'ws';
import type { Relay } from '../../src/relay/index.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { RawSocket } from './raw-socket.ts';
import { until } from '../support/until.ts';
import { alice, bob, carol, Cleanup, genesisHash, message } from './support.ts';

describe('relay: WebSocket', () => {
  const cleanup = new Cleanup();
  let relay: Relay & { readonly mailStore: MailStore };

  beforeEach(async () => {
    relay = await cleanup.relay();
  });
  afterEach(() => cleanup.run());

  const open = () => RawSocket.open(relay.url, cleanup);
  const fill = (count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, n) => {
        const { id, bytes } = message(alice, bob, { text: `mail ${n}` });
        return relay.mailStore.append(bob.identity, id, bytes);
      }),
    );
  const mail = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `mail ${from + n}`);

  /** Ends with an error of the connection and code 1008. */
  const endsWith = async (raw: RawSocket, code: string): Promise<void> => {
    assert.equal(await raw.closed(), 1008);
    assert.deepEqual(
      raw.all('error').map((error) => [error.id, error.code]),
      [[0, code]],
    );
  };

  it('greets with its chain, its window and the size it takes', async () => {
    assert.deepEqual(await (await open()).next('hello'), {
      type: 'hello',
      genesisHash,
      window: 256,
      maxMessageBytes: 262_144,
      identity: undefined,
    });
  });

  it('answers each of many requests on one connection by its id', async () => {
    const raw = await open();
    const sent = Array.from({ length: 100 }, () => message(alice, bob));
    sent.forEach(({ bytes }, n) => {
      raw.send({ type: 'send', id: n + 1, signedEnvelope: bytes });
    });
    raw.send({ type: 'send', id: 500, signedEnvelope: message(alice, carol).bytes });
    raw.send({ type: 'send', id: 501, signedEnvelope: new Uint8Array(3) });
    const receipts = await until(() => raw.all('receipt').length === 100 && raw.all('receipt'));
    for (const { id, status, messageId } of receipts)
      assert.deepEqual([status, messageId], ['stored', sent[id - 1]?.id]);
    const errors = await until(() => raw.all('error').length === 2 && raw.all('error'));
    assert.deepEqual(errors.map(({ id, code }) => [id, code]).sort(), [
      [500, 'recipient-not-served'],
      [501, 'truncated'],
    ]);
    assert.equal((await relay.mailStore.stats(bob.identity)).count, 100);
  });

  it('keeps the order of one sender', async () => {
    const raw = await open();
    for (let n = 0; n < 100; n++)
      raw.send({ type: 'send', id: n + 1, signedEnvelope: message(alice, bob, { text: `mail ${n}` }).bytes });
    await raw.login(bob);
    raw.send({ type: 'credit', deliveries: 100 });
    await until(() => raw.texts().length === 100);
    assert.deepEqual(raw.texts(), mail(0, 100));
  });

  it('delivers within credit, in order, and goes on when more is given', async () => {
    await fill(10);
    const raw = await open();
    await raw.login(bob);
    raw.send({ type: 'credit', deliveries: 3 });
    await raw.next('delivery', 2);
    raw.send({ type: 'challenge-me', id: 9 });
    await raw.next('challenge', 1);
    assert.deepEqual(raw.texts(), mail(0, 3));
    raw.send({ type: 'credit', deliveries: 2 });
    raw.send({ type: 'credit', deliveries: 1 });
    await raw.next('delivery', 5);
    raw.send({ type: 'challenge-me', id: 10 });
    await raw.next('challenge', 2);
    assert.deepEqual(raw.texts(), mail(0, 6));
  });

  it('delivers at once what arrives while the recipient is there', async () => {
    const raw = await open();
    await raw.login(bob);
    raw.send({ type: 'credit', deliveries: 10 });
    await fill(2);
    await raw.next('delivery', 1);
    assert.deepEqual(raw.texts(), mail(0, 2));
  });

  it('forgets what is acknowledged and delivers the rest again on the next connection', async () => {
    await fill(5);
    const first = await open();
    await first.login(bob);
    first.send({ type: 'credit', deliveries: 5 });
    const third = await first.next('delivery', 2);
    await first.next('delivery', 4);
    first.send({ type: 'ack', upTo: third.cursor });
    assert.equal((await first.next('acked')).upTo, third.cursor);
    first.socket.terminate();
    const second = await open();
    const login = await second.login(bob);
    assert.ok(login.type === 'logged-in' && login.acknowledged === third.cursor);
    second.send({ type: 'credit', deliveries: 5 });
    await second.next('delivery', 1);
    assert.deepEqual(second.texts(), mail(3, 5));
  });

  it('refuses an acknowledgement of what it did not deliver on this connection', async () => {
    await fill(5);
    const raw = await open();
    await raw.login(bob);
    raw.send({ type: 'credit', deliveries: 1 });
    await raw.next('delivery');
    raw.send({ type: 'ack', upTo: 2n });
    await endsWith(raw, 'bad-frame');
    assert.equal((await relay.mailStore.stats(bob.identity)).count, 5);
  });

  it('gives no mail and takes no acknowledgement without a login', async () => {
    await fill(1);
    for (const frame of [
      { type: 'credit', deliveries: 1 },
      { type: 'ack', upTo: 1n },
    ] as const) {
      const raw = await open();
      raw.send(frame);
      await endsWith(raw, 'not-logged-in');
    }
    assert.equal((await relay.mailStore.stats(bob.identity)).count, 1);
  });

  it('ends a connection with frames it does not know, text, or no request id', async () => {
    const cases: ((raw: RawSocket) => void)[] = [
      (raw) => {
        raw.socket.send(Uint8Array.of(0x77));
      },
      (raw) => {
        raw.socket.send(new Uint8Array(0));
      },
      (raw) => {
        raw.socket.send('hello');
      },
      (raw) => {
        raw.socket.send(Uint8Array.of(0x02, 1, 0, 0, 0, 9));
      },
      (raw) => {
        raw.send({ type: 'challenge-me', id: 0 });
      },
    ];
    for (const misbehave of cases) {
      const raw = await open();
      misbehave(raw);
      await endsWith(raw, 'bad-frame');
    }
  });

  it('stays up under random frames, and answers others meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), async (frames) => {
        const raw = await open();
        for (const frame of frames) raw.socket.send(frame);
        raw.socket.close();
        await raw.closed();
      }),
      { numRuns: 50 },
    );
    const raw = await open();
    raw.send({ type: 'send', id: 1, signedEnvelope: message(alice, bob).bytes });
    await raw.next('receipt');
  });

  it('ends a connection with a giant frame before it is read', async () => {
    const raw = await open();
    raw.socket.send(new Uint8Array(10 * 2 ** 20));
    assert.equal(await raw.closed(), 1009);
  });

  it('ends a connection with more unanswered requests than its window', async () => {
    relay = await cleanup.relay({
      limits: { window: 4, drainMs: 50 },
      verifySignature: () => new Promise(() => undefined),
      mailStore: relay.mailStore,
    });
    const raw = await open();
    for (let id = 1; id <= 5; id++) raw.send({ type: 'send', id, signedEnvelope: message(alice, bob).bytes });
    await endsWith(raw, 'window-exceeded');
  });

  it('bounds the connections of one address', async () => {
    relay = await cleanup.relay({ limits: { maxConnectionsPerAddress: 2 } });
    const [first] = [await open(), await open()];
    const third = new WebSocket(`${relay.url.replace('http', 'ws')}/v1/ws`);
    const code = await new Promise((resolve) => third.on('close', resolve));
    assert.equal(code, 1013);
    first.socket.close();
    await first.closed();
    await until(async () => (await (await fetch(`${relay.url}/metrics`)).text()).includes('khala_relay_connections 1'));
    await open();
  });

  it('cuts a recipient that asks for more than it reads, and keeps its mail', async () => {
    relay = await cleanup.relay({ limits: { maxBufferedBytes: 100_000, slowReaderMs: 100, maxCredit: 100_000 } });
    await Promise.all(
      Array.from({ length: 300 }, () => {
        const { id, bytes } = message(alice, bob, { size: 50_000 });
        return relay.mailStore.append(bob.identity, id, bytes);
      }),
    );
    const raw = await open();
    await raw.login(bob);
    raw.socket.pause();
    raw.send({ type: 'credit', deliveries: 100_000 });
    const metrics = async () => (await fetch(`${relay.url}/metrics`)).text();
    await until(async () => (await metrics()).includes('connections_closed_total{reason="slow-reader"} 1'));
    await until(async () => (await metrics()).includes('khala_relay_connections 0'));
    assert.equal((await relay.mailStore.stats(bob.identity)).count, 300);
  });

  it('delivers everything to a recipient that reads slowly but steadily', async () => {
    relay = await cleanup.relay({ limits: { maxBufferedBytes: 100_000, maxCredit: 100_000 } });
    await Promise.all(
      Array.from({ length: 300 }, () => {
        const { id, bytes } = message(alice, bob, { size: 50_000 });
        return relay.mailStore.append(bob.identity, id, bytes);
      }),
    );
    const raw = await open();
    await raw.login(bob);
    raw.send({ type: 'credit', deliveries: 100_000 });
    raw.socket.on('message', () => {
      raw.socket.pause();
      setTimeout(() => {
        raw.socket.resume();
      }, 1);
    });
    await until(() => raw.all('delivery').length === 300);
  });

  it('cuts a connection whose other end is gone without a word', async () => {
    relay = await cleanup.relay({ limits: { pingIntervalMs: 50 } });
    const { port } = new URL(relay.url);
    const socket = connect(Number(port), '127.0.0.1');
    cleanup.add(socket, () => socket.destroy());
    let closed = false;
    socket.on('close', () => (closed = true)).on('error', () => undefined);
    socket.resume();
    const headers = ['host: x', 'upgrade: websocket', 'connection: upgrade', 'sec-websocket-version: 13'];
    socket.write(`GET /v1/ws HTTP/1.1\r\n${headers.join('\r\n')}\r\nsec-websocket-key: ${'A'.repeat(22)}==\r\n\r\n`);
    // It reads, and never answers a ping.
    await until(() => closed);
    const alive = await open();
    await new Promise((resolve) => alive.socket.on('ping', resolve));
    await new Promise((resolve) => alive.socket.once('ping', resolve));
    assert.equal(alive.closeCode, undefined);
  });

  it('serves a thousand connections at once', async () => {
    relay = await cleanup.relay({ limits: { maxConnectionsPerAddress: 2000 } });
    const all = await Promise.all(Array.from({ length: 1000 }, open));
    for (const raw of all) raw.send({ type: 'send', id: 1, signedEnvelope: message(alice, bob).bytes });
    await Promise.all(all.map((raw) => raw.next('receipt')));
    assert.equal((await relay.mailStore.stats(bob.identity)).count, 1000);
  });

  it('closes a connection that is never used', async () => {
    relay = await cleanup.relay({ limits: { pingIntervalMs: 20, idleMs: 50 } });
    assert.equal(await (await open()).closed(), 1000);
  });
});
