import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { get, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, it } from 'mocha';
import { WebSocket } from 'ws';
import {
  decodeSignedEnvelope,
  encodeMessageBatch,
  loginContent,
  signedEnvelopeToJson,
  type Hex,
} from '../../src/codec/index.ts';
import { signWith } from '../../src/crypto/index.ts';
import { encodeClientFrame, type ClientFrame } from '../../src/relay/client-frames.ts';
import type { RelayLimits } from '../../src/relay/index.ts';
import { decodeRelayFrame, encodeRelayFrame, type RelayFrame } from '../../src/relay/relay-frames.ts';
import { bundled } from '../support/bundle.ts';
import { until } from '../support/until.ts';
import { lyingRelay } from './lying-relay.ts';
import type { MemoryOptions, ToRelay } from './memory-child.ts';
import { alice, bob, Cleanup, entity, genesisHash, message, type Entity } from './support.ts';
import { upgrade, wire } from './wire.ts';

const mebibyte = 2 ** 20;
/** What a process takes more and less of by itself: heaps that are not collected yet, and the allocator's. */
const slack = 96 * mebibyte;
const unlimited = { perSecond: 1e6, burst: 1e6 };

describe('relay: its memory, whatever is sent to it', function () {
  this.timeout(240_000);
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const start = async (
    limits: Partial<RelayLimits> = {},
    recipients: readonly Entity[] = [bob],
    others?: { readonly entities: readonly Entity[]; readonly endpoint: string },
  ) => {
    const options: MemoryOptions = {
      folder: await cleanup.folder(),
      recipients: recipients.map(({ identity }) => identity),
      ...(others !== undefined && {
        others: { identities: others.entities.map(({ identity }) => identity), endpoint: others.endpoint },
      }),
      limits: { perAddressConnections: unlimited, perAddressQueries: unlimited, ...limits },
    };
    const child = fork(await bundled(new URL('memory-child.ts', import.meta.url)), [JSON.stringify(options)], {
      execArgv: ['--expose-gc', '--max-old-space-size=192'],
    });
    cleanup.add(child, async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    });
    const url = (await answer(child)) as string;
    const tell = async (told: ToRelay): Promise<number> => {
      child.send(told);
      return (await answer(child)) as number;
    };
    return { url, tell };
  };
  const answer = async (child: ChildProcess): Promise<unknown> => {
    const [message] = (await once(child, 'message')) as [{ readonly answer: unknown }];
    return message.answer;
  };
  type Started = Awaited<ReturnType<typeof start>>;

  /** Bytes that the relay took more, at most, while `flood` ran. */
  const grown = async ({ url, tell }: Started, flood: () => Promise<void>): Promise<number> => {
    // What it takes for the first of each kind it keeps.
    await read(url, '/metrics');
    const before = await tell({ type: 'rest' });
    await flood();
    assert.equal(await read(url, '/healthz'), '{"status":"ok"}');
    return (await tell({ type: 'peak' })) - before;
  };
  /** Over a connection of its own: one that is kept may be closed while this process is busy. */
  const read = (url: string, path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      get(url + path, { agent: false }, (got) => {
        let text = '';
        got
          .on('data', (chunk: Buffer) => (text += chunk.toString()))
          .on('end', () => {
            resolve(text);
          });
      }).on('error', reject);
    });
  const metric = async (url: string, name: string): Promise<number> => {
    const text = await read(url, '/metrics');
    const line = text.split('\n').find((each) => each.startsWith(`khala_relay_${name} `));
    return Number(line?.split(' ').at(-1) ?? 0);
  };
  const dial = async (url: string, localAddress: string): Promise<Socket> => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), localAddress });
    cleanup.add(socket, () => socket.destroy());
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };

  interface Peer {
    readonly socket: WebSocket;
    /** The first. */
    readonly frames: RelayFrame[];
    /** Questions that were refused. */
    refused: number;
    isClosed: boolean;
    send(frame: ClientFrame): void;
    prove(type: 'login' | 'prove', who: Entity): Promise<void>;
  }
  const peer = async (url: string, localAddress: string, path = '/v1/ws'): Promise<Peer> => {
    const origin = url.replace('http', 'ws');
    const socket = new WebSocket(origin + path, { localAddress, perMessageDeflate: false });
    cleanup.add(socket, () => {
      socket.terminate();
    });
    const made: Peer = {
      ...{ socket, frames: [], refused: 0, isClosed: false },
      send: (frame) => {
        socket.send(encodeClientFrame(frame), () => undefined);
      },
      prove: async (type, { identity, keys }) => {
        made.send({ type: 'challenge-me', id: 1 });
        const { serverNonce, expiresAt } = await until(() => made.frames.find((frame) => frame.type === 'challenge'));
        const content = loginContent({ genesisHash, identity, origin, serverNonce, expiresAt });
        made.send({ type, id: 2, identity, origin, signature: signWith(keys, content) });
        await until(() => made.frames.some((frame) => frame.type === 'logged-in'));
      },
    };
    socket.on('message', (data: Buffer) => {
      const frame = decodeRelayFrame(data);
      if (frame.type === 'error' && frame.code === 'relay-busy') made.refused += 1;
      else if (made.frames.length < 10) made.frames.push(frame);
    });
    socket.on('error', () => undefined).on('close', () => (made.isClosed = true));
    await until(() => made.frames.length > 0);
    return made;
  };
  const addresses = Array.from({ length: 8 }, (_, n) => `127.0.0.${n + 2}`);
  const each = <T>(count: number, make: (address: string, n: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: count }, (_, n) => make(addresses[n % addresses.length] ?? '', n)));

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

  it('keeps no more queues to other relays than it may, and nothing of what it refuses, whoever sends', async () => {
    const others = Array.from({ length: 16 }, (_, n) => entity(`other ${n}`));
    // Nobody answers there.
    const forwarding = { entities: others, endpoint: 'http://127.0.0.1:1' };
    const relay = await start({ perAddress: unlimited, maxForwardQueues: 1_000, maxTracked: 500 }, [bob], forwarding);
    /** Each from a key made for it. */
    const flood = async (round: number): Promise<{ readonly answers: readonly string[]; readonly held: number }> => {
      const answers: string[] = [];
      for (let part = 0; part < 8; part++) {
        const items = Array.from({ length: 250 }, (_, n) =>
          message(entity(`made ${round} ${part} ${n}`), others[n % others.length] ?? bob),
        );
        const got = await fetch(`${relay.url}/v1/messages`, {
          method: 'POST',
          headers: { 'content-type': 'application/vnd.khala-relay.batch' },
          body: Uint8Array.from(encodeMessageBatch(items.map(({ bytes }) => bytes))),
        });
        const { results } = (await got.json()) as { readonly results: readonly { status: string; code?: string }[] };
        answers.push(...results.map(({ status, code }) => code ?? status));
      }
      return { answers, held: await relay.tell({ type: 'held' }) };
    };
    const first = await flood(0);
    // Half of them is for known senders.
    assert.equal(first.answers.filter((answer) => answer === 'forwarded').length, 500);
    const rounds = [];
    for (let round = 1; round <= 6; round++) rounds.push(await flood(round));
    for (const { answers } of rounds) assert.deepEqual([...new Set(answers)], ['mailbox-full']);
    const held = rounds.map((round) => round.held);
    // The least of three: what it does meanwhile comes and goes. Between them are 6 000, and one queue takes several times as much.
    const more = Math.min(...held.slice(3)) - Math.min(...held.slice(0, 3));
    assert.ok(more < 6_000 * 256, `${more} bytes`);
  });

  it('stays bounded by tunnels to an end that says much and is not read', async () => {
    const [tunnels, replies, size] = [64, 100, 200_000];
    const reply = encodeRelayFrame({ type: 'reply', id: 9, cursor: 1n, signedEnvelope: new Uint8Array(size) });
    const far = await lyingRelay(cleanup, (_, { socket }) => {
      for (let n = 0; n < replies; n++) socket.send(reply);
    });
    const limits = { perAddress: unlimited, maxUnreadBytes: 16 * mebibyte, slowReaderMs: 2_000 };
    const relay = await start(limits, [bob], { entities: [alice], endpoint: far.url });
    const query = new URLSearchParams({ recipient: alice.identity, endpoint: far.url }).toString();
    const more = await grown(relay, async () => {
      const peers = await each(tunnels, (address) => peer(relay.url, address, `/v1/tunnel?${query}`));
      for (const { socket, send } of peers) {
        socket.pause();
        send({ type: 'challenge-me', id: 1 });
      }
      const cut = () => metric(relay.url, 'tunnels_total{reason="slow-reader"}');
      await until(async () => (await cut()) === tunnels);
    });
    // Of each, 64 KiB that are not counted, and what was under way from the other end, twice.
    assert.ok(more < (16 + tunnels * 0.5) * mebibyte + slack, `${more / mebibyte} MiB`);
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
