import assert from 'node:assert/strict';
import { request } from 'node:http';
import { afterEach, describe, it } from 'mocha';
import { decodeSignedEnvelope, signedEnvelopeToJson, type Hex } from '../../src/codec/index.ts';
import { encodeClientFrame } from '../../src/relay/client-frames.ts';
import { decodeRelayFrame, type RelayFrame } from '../../src/relay/relay-frames.ts';
import { describeNats, startNats, type NatsServer } from '../support/nats-server.ts';
import { until } from '../support/until.ts';
import { memoryFloods } from './memory-floods.ts';
import { mebibyte, memoryStand, slack, unlimited } from './memory-stand.ts';
import { alice, bob, Cleanup, entity, message } from './support.ts';
import { upgrade, wire } from './wire.ts';

describe('relay: its memory, whatever is sent to it', function () {
  this.timeout(240_000);
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());
  const { start, grown, metric, dial, peer, each } = memoryStand(cleanup);

  memoryFloods(cleanup, () => ({}));

  it('stays bounded by requests that do not wait for their answers, and read none', async () => {
    const relay = await start();
    const packet = 'GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(1_900);
    const more = await grown(relay, async () => {
      const sockets = await each(200, (address) => dial(relay.url, address));
      for (const socket of sockets) socket.pause().write(packet);
      await until(async () => (await metric(relay.url, 'connections_closed_total{reason="pipelined"}')) >= 200);
    });
    assert.ok(more < slack, `${more / mebibyte} MiB`);
  });

  it('stays bounded by bodies in pieces of one byte, and answers others meanwhile', async () => {
    const relay = await start();
    const head =
      'POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
    const body = '1\r\n \r\n'.repeat(10_000);
    const more = await grown(relay, async () => {
      for (let round = 0; round < 8; round++) {
        const sockets = await each(50, (address) => dial(relay.url, address));
        for (const socket of sockets) socket.resume().write(head + body);
        await until(() => sockets.every(({ destroyed }) => destroyed));
      }
    });
    assert.ok(more < slack, `${more / mebibyte} MiB`);
  });

  it('stays bounded by what recipients ask for and do not read', async () => {
    const recipients = Array.from({ length: 96 }, (_, n) => entity(`slow ${n}`));
    const relay = await start({ maxUnreadBytes: 16 * mebibyte, slowReaderMs: 600_000 }, recipients);
    const identities = recipients.map(({ identity }) => identity);
    await relay.tell({ type: 'fill', recipients: identities, count: 20, size: 200_000 });
    const more = await grown(relay, async () => {
      const peers = await each(recipients.length, async (address, n) => {
        const made = await peer(relay.url, address);
        await made.prove('login', recipients[n] ?? bob);
        return made;
      });
      for (const made of peers) {
        made.socket.pause();
        made.send({ type: 'credit', deliveries: 1_024 });
      }
      await until(async () => (await metric(relay.url, 'connections_closed_total{reason="slow-reader"}')) > 30);
    });
    // Of each, what was read from the store for it, and is not counted.
    assert.ok(more < (16 + 48) * mebibyte + slack, `${more / mebibyte} MiB`);
  });

  // Of the question the answer is at once an error twice as long, and no part of the window.
  const question = encodeClientFrame({ type: 'await-reply', id: 1, senderKey: new Uint8Array(32), after: 0n });
  for (const [what, frame, count, peers] of [
    ['questions', wire(question), 60_000, 20],
    ['pings', wire(new Uint8Array(20), { opcode: 0x89 }), 300_000, 10],
  ] as const)
    it(`stays bounded by ${what} whose answers nobody reads`, async () => {
      const relay = await start({ perAddress: unlimited, slowReaderMs: 2_000 });
      const flood = Buffer.concat([Buffer.from(upgrade), ...Array.from({ length: count }, () => frame)]);
      const more = await grown(relay, async () => {
        const sockets = await each(peers, (address) => dial(relay.url, address));
        for (const socket of sockets) socket.pause().write(flood);
        await until(async () => (await metric(relay.url, 'connections_closed_total{reason="slow-reader"}')) === peers);
      });
      assert.ok(more < slack, `${more / mebibyte} MiB`);
    });

  it('keeps nothing of logins of keys that were made for it', async () => {
    const relay = await start();
    const flood = async (round: number): Promise<number> => {
      for (let part = 0; part < 2; part++) {
        const peers = await each(200, async (address, n) => {
          const made = await peer(relay.url, address);
          await made.prove('login', entity(`made ${round} ${part} ${n}`));
          return made;
        });
        for (const { socket } of peers) socket.terminate();
        await until(async () => (await metric(relay.url, 'connections')) === 0);
      }
      return relay.tell({ type: 'held' });
    };
    // What it takes for the first of each kind it keeps, and its lists of rates grow with the first ones.
    await flood(0);
    const before = await flood(1);
    const after = await flood(2);
    // Of 400: one session takes several times as much.
    assert.ok(after - before < 400 * 1_024, `${after - before} bytes`);
    assert.equal(await metric(relay.url, 'mailboxes'), 0);
  });

  it('stays bounded by answers that are waited for and do not come', async () => {
    const relay = await start({ perAddress: unlimited, maxAwaitedInAll: 40_000 });
    const more = await grown(relay, async () => {
      const peers = await each(80, async (address, n) => {
        const made = await peer(relay.url, address);
        await made.prove('prove', entity(`asker ${n}`));
        return made;
      });
      for (const [n, made] of peers.entries())
        for (let id = 3; id < 1_027; id++) {
          const senderKey = new Uint8Array(32);
          new DataView(senderKey.buffer).setUint32(0, n * 10_000 + id);
          made.send({ type: 'await-reply', id, senderKey, after: 0n });
        }
      // Of 81 920 of them.
      await until(() => peers.reduce((sum, { refused }) => sum + refused, 0) >= 81_920 - 40_000);
    });
    // A kilobyte for each, and as much again before it is collected.
    assert.ok(more < 2 * 40 * mebibyte + slack, `${more / mebibyte} MiB`);
  });

  it('stays bounded by deliveries that are waited for and do not come', async () => {
    const relay = await start({ perAddress: unlimited, maxAwaitedDeliveries: 40_000 });
    const [connections, waits, sentAt] = [80, 1_024, Date.now()];
    const recipients = Array.from({ length: 10_240 }, (_, n): Hex => `0x${n.toString(16).padStart(64, '0')}`);
    await relay.tell({ type: 'keep', recipients, sentAt });
    const others: RelayFrame[] = [];
    const more = await grown(relay, async () => {
      const peers = await each(connections, (address) => peer(relay.url, address, '/v1/ws?frames=2'));
      for (const { socket } of peers)
        socket.on('message', (data: Buffer) => {
          const frame = decodeRelayFrame(data);
          if (frame.type !== 'error' || frame.code !== 'relay-busy') others.push(frame);
        });
      for (const [n, made] of peers.entries())
        for (let id = 1; id <= waits; id++) {
          const to = recipients[(n * waits + id) % recipients.length] ?? bob.identity;
          made.send({ type: 'await-delivered', id, to, messageId: to, sentAt: BigInt(sentAt) });
        }
      await until(() => peers.reduce((sum, { refused }) => sum + refused, 0) >= connections * waits - 40_000);
    });
    // All the rest is held.
    assert.deepEqual(others, []);
    // A kilobyte for each, and as much again before it is collected.
    assert.ok(more < 2 * 40 * mebibyte + slack, `${more / mebibyte} MiB`);
  });

  it('stays bounded by batches as large as they may be, many at a time', async () => {
    const relay = await start({ perAddress: unlimited });
    const one = signedEnvelopeToJson(decodeSignedEnvelope(message(alice, bob, { size: 1_600 }).bytes));
    const body = JSON.stringify(Array.from({ length: 250 }, () => one));
    assert.ok(body.length > 900_000 && body.length < mebibyte, String(body.length));
    const post = (localAddress: string): Promise<number> =>
      new Promise((resolve) => {
        const headers = { 'content-type': 'application/json' };
        request(`${relay.url}/v1/messages`, { method: 'POST', headers, localAddress, agent: false }, (got) => {
          got.resume().on('end', () => {
            resolve(got.statusCode ?? 0);
          });
        })
          .on('error', () => {
            resolve(0);
          })
          .end(body);
      });
    let taken = 0;
    const more = await grown(relay, async () => {
      for (let round = 0; round < 2; round++)
        taken += (await each(200, post)).filter((status) => status === 200).length;
    });
    assert.ok(taken > 0);
    // 64 MiB of bodies, and as JSON what is made of those that are read at a time.
    assert.ok(more < 3 * 64 * mebibyte + slack, `${more / mebibyte} MiB`);
  });
});

describeNats('relay: its memory, whatever is sent to it, where mail is in JetStream', function () {
  this.timeout(240_000);
  const cleanup = new Cleanup();
  let nats: NatsServer;
  before(async () => {
    nats = await startNats();
  });
  afterEach(() => cleanup.run());
  after(() => nats.stop());

  memoryFloods(cleanup, () => ({ nats: nats.url }));
});
