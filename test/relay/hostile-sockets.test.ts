import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { toHex } from '../../src/codec/index.ts';
import { clientTypes, encodeClientFrame, type ClientFrame } from '../../src/relay/client-frames.ts';
import type { Relay } from '../../src/relay/index.ts';
import { until } from '../support/until.ts';
import { RawSocket } from './raw-socket.ts';
import { alice, bob, carol, Cleanup, message } from './support.ts';

const upgrade = (path = '/v1/ws'): string =>
  [
    `GET ${path} HTTP/1.1`,
    'host: relay',
    'upgrade: websocket',
    'connection: upgrade',
    'sec-websocket-version: 13',
    `sec-websocket-key: ${'A'.repeat(22)}==`,
    '\r\n',
  ].join('\r\n');

/** A frame of RFC 6455 §5.2, right or wrong in any of its parts. */
interface WireFrame {
  readonly first: number;
  readonly masked: boolean;
  /** Written instead of the payload's own length. */
  readonly length: number | bigint | undefined;
  readonly payload: Uint8Array;
}

function encode({ first, masked, length, payload }: WireFrame): Buffer {
  const size = BigInt(length ?? payload.length);
  const mask = Buffer.from([1, 2, 3, 4]);
  const lead = Buffer.of(first);
  const bit = masked ? 0x80 : 0;
  const head = Buffer.alloc(9);
  let used = 1;
  if (size < 126n) head[0] = bit | Number(size);
  else if (size < 65_536n) {
    head[0] = bit | 126;
    head.writeUInt16BE(Number(size), 1);
    used = 3;
  } else {
    head[0] = bit | 127;
    head.writeBigUInt64BE(size, 1);
    used = 9;
  }
  const body = masked ? Buffer.concat([mask, payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0))]) : payload;
  return Buffer.concat([lead, head.subarray(0, used), body]);
}

const binaryFrame = (payload: Uint8Array): WireFrame => ({ first: 0x82, masked: true, length: undefined, payload });

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const id = fc.nat(300);
const cursor = fc.oneof(fc.bigInt({ min: 0n, max: 5n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
const signedEnvelope = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom([alice, bob], [bob, alice], [bob, bob]).map(([from, to]) => message(from, to).bytes),
);
const proof = {
  id,
  identity: fc.oneof(
    key.map((bytes) => toHex(bytes)),
    fc.constant(bob.identity),
  ),
  origin: fc.oneof(fc.string({ maxLength: 60 }), fc.constant('ws://127.0.0.1:1')),
  signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
};
/** Each frame that a client may send, whole. */
const clientFrame: fc.Arbitrary<ClientFrame> = fc.oneof(
  fc.record({ type: fc.constantFrom('send' as const, 'post-reply' as const), id, signedEnvelope }),
  fc.record({ type: fc.constant('challenge-me' as const), id }),
  fc.record({ type: fc.constantFrom('login' as const, 'prove' as const), ...proof }),
  fc.record({ type: fc.constant('credit' as const), deliveries: fc.nat(2 ** 32 - 1) }),
  fc.record({ type: fc.constant('ack' as const), upTo: cursor }),
  fc.record({ type: fc.constant('await-reply' as const), id, senderKey: key, after: cursor }),
  fc.record({ type: fc.constant('reply-done' as const), senderKey: key, upTo: cursor }),
  fc.record({
    type: fc.constant('await-delivered' as const),
    id,
    to: proof.identity,
    messageId: key.map((bytes) => toHex(bytes)),
    sentAt: cursor,
  }),
  fc.record({ type: fc.constant('forget' as const), id }),
);
/** Where a frame may be sent, in the versions of them that there are. */
const frameVersions = ['', '?frames=2'] as const;

function cutOff(bytes: Uint8Array, fewer: number): Uint8Array {
  return bytes.subarray(0, bytes.length - fewer);
}

const wireFrame = fc.record({
  // Mostly an opcode of the RFC, with any FIN and reserved bits.
  first: fc.oneof(fc.constantFrom(0x82, 0x02, 0x80, 0x00, 0x88, 0x89, 0x8a, 0x81, 0xc2, 0xf2), fc.nat(255)),
  // Mostly as a client must.
  masked: fc.integer({ min: 0, max: 7 }).map((chance) => chance > 0),
  length: fc.option(fc.oneof(fc.nat(300), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })), { nil: undefined, freq: 4 }),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    // One of ours, cut or whole.
    fc
      .tuple(fc.constantFrom(...Object.values(clientTypes), 0x0c, 0x85), fc.uint8Array({ maxLength: 200 }))
      .map(([type, rest]) => Uint8Array.of(type, ...rest)),
    fc.constantFrom(0, 1, 2).chain((cut) => clientFrame.map((frame) => cutOff(encodeClientFrame(frame), cut))),
  ),
});

/** Asks anew each time, which a compiler that remembers the last answer would not. */
function isDone(ask: () => boolean): boolean {
  return ask();
}

describe('relay: hostile sockets', () => {
  const cleanup = new Cleanup();
  let relay: Relay;

  beforeEach(async () => {
    relay = await cleanup.relay({
      limits: { requestTimeoutMs: 300, pingIntervalMs: 100, maxConnectionsPerAddress: 5_000 },
    });
  });
  afterEach(() => cleanup.run());

  const dial = ({ url }: Pick<Relay, 'url'> = relay): Socket & { isOver: boolean } => {
    const socket = Object.assign(connect(Number(new URL(url).port), '127.0.0.1'), { isOver: false });
    socket.on('error', () => undefined).on('close', () => (socket.isOver = true));
    cleanup.add(socket, () => socket.destroy());
    return socket;
  };
  /** After the upgrade and the first frame. */
  const opened = async (path = '/v1/ws', at: Pick<Relay, 'url'> = relay): Promise<Socket & { isOver: boolean }> => {
    const socket = dial(at);
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString('latin1'))).write(upgrade(path));
    await until(() => /\r\n\r\n[^]+/.test(received));
    return socket;
  };
  const metric = async (name: string, { url }: Pick<Relay, 'url'> = relay): Promise<number> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`khala_relay_${name} `))
        ?.split(' ')
        .at(-1),
    );
  };
  const servesOthers = async (): Promise<void> => {
    const raw = await RawSocket.open(relay.url, cleanup);
    raw.send({ type: 'send', id: 1, signedEnvelope: message(alice, bob).bytes });
    await raw.next('receipt');
    raw.socket.terminate();
  };

  it('with any frames, right or wrong, get an answer or their end, and others are served', async () => {
    // A tunnel of a relay that forwards carol's mail to this one.
    const endpoint = relay.url;
    const forwards = await cleanup.relay({
      recipients: [],
      workerState: { get: (to) => (to === carol.identity ? { endpoints: [endpoint] } : undefined) },
      forwardStore: await cleanup.store(),
      limits: { requestTimeoutMs: 300, pingIntervalMs: 100, maxConnectionsPerAddress: 5_000 },
    });
    const tunnel = `/v1/tunnel?recipient=${carol.identity}&endpoint=${encodeURIComponent(endpoint)}`;
    const paths = [...frameVersions.map((version) => `/v1/ws${version}`), tunnel];
    const reached = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(wireFrame, { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        fc.constantFrom(...paths),
        async (frames, inPieces, path) => {
          const socket = await opened(path, path === tunnel ? forwards : relay);
          reached.add(path);
          for (const frame of frames) {
            const bytes = encode(frame);
            const cut = inPieces ? Math.floor(bytes.length / 2) : bytes.length;
            socket.write(bytes.subarray(0, cut));
            if (inPieces) await new Promise(setImmediate);
            socket.write(bytes.subarray(cut));
          }
          socket.end();
          await until(() => socket.isOver);
        },
      ),
      { numRuns: 150 },
    );
    assert.equal(reached.size, paths.length);
    await servesOthers();
    await until(async () => (await metric('connections')) === 0);
    await until(async () => (await metric('tunnels', forwards)) === 0);
    assert.equal(await metric('in_flight'), 0);
  }).timeout(60_000);

  it('that are logged in get an answer or their end for any frames, and mail comes afterwards', async () => {
    const kept = message(alice, bob).bytes;
    await fc.assert(
      fc.asyncProperty(
        fc.array(clientFrame, { minLength: 1, maxLength: 12 }),
        fc.constantFrom(...frameVersions),
        async (frames, version) => {
          const raw = await RawSocket.open(relay.url, cleanup, { path: `/v1/ws${version}` });
          assert.equal((await raw.login(bob)).type, 'logged-in');
          for (const frame of frames) raw.send(frame);
          // Answered after all of these, and beside the one of the login.
          raw.send({ type: 'challenge-me', id: 301 });
          const asked = frames.filter(({ type }) => type === 'challenge-me').length;
          await until(() => raw.closeCode !== undefined || raw.all('challenge').length === asked + 2);
          raw.socket.terminate();
        },
      ),
      { numRuns: 100 },
    );
    await servesOthers();
    const raw = await RawSocket.open(relay.url, cleanup);
    await raw.login(bob);
    raw.send({ type: 'credit', deliveries: 1_000 });
    raw.send({ type: 'send', id: 9, signedEnvelope: kept });
    await until(() => raw.all('delivery').some(({ signedEnvelope: bytes }) => Buffer.compare(bytes, kept) === 0));
    await until(async () => (await metric('in_flight')) === 0);
  }).timeout(60_000);

  it('with garbage instead of HTTP or after the upgrade are closed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 500 }), fc.boolean(), async (garbage, upgraded) => {
        const socket = upgraded ? await opened() : dial();
        socket.resume().end(garbage);
        await until(() => socket.isOver);
      }),
      { numRuns: 30 },
    );
    await servesOthers();
  }).timeout(60_000);

  it('that never finish a handshake are cut', async () => {
    const slow = ['', 'GET /v1/ws HTT', upgrade().slice(0, -10)].map((start) => {
      const socket = dial();
      socket.resume().write(start);
      return socket;
    });
    await servesOthers();
    // Nor do they win time by a byte now and then.
    const dripping = dial();
    dripping.resume().write(`${upgrade().slice(0, -2)}x-slow: `);
    const timer = setInterval(() => dripping.write('a'), 20);
    cleanup.add(timer, () => {
      clearInterval(timer);
    });
    await until(() => [...slow, dripping].every(({ isOver }) => isOver));
  });

  it('that never finish a frame are cut, whatever it promised', async () => {
    for (const length of [undefined, 200_000, 2 ** 40]) {
      const socket = await opened();
      const bytes = encode({ ...binaryFrame(message(alice, bob).bytes), length });
      socket.write(bytes.subarray(0, -1));
      await until(() => socket.isOver);
    }
    await servesOthers();
  });

  it('that ping without reading what comes back take no memory', async () => {
    const limits = { maxBufferedBytes: 50_000, slowReaderMs: 300, pingIntervalMs: 60_000 };
    relay = await cleanup.relay({ limits });
    const socket = await opened();
    socket.pause();
    const pings = Buffer.concat(
      Array.from({ length: 500 }, () =>
        encode({ first: 0x89, masked: true, length: undefined, payload: new Uint8Array(125) }),
      ),
    );
    let isCut = false;
    const cut = until(async () => (await metric('connections_closed_total{reason="slow-reader"}')) === 1).then(() => {
      isCut = true;
    });
    while (!isDone(() => isCut || socket.isOver))
      if (socket.write(pings)) await new Promise(setImmediate);
      else await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), cut]);
    await cut;
  }).timeout(60_000);

  it('by the thousand that say nothing leave room for those who do', async () => {
    // Nobody is cut for silence meanwhile.
    relay = await cleanup.relay({ limits: { pingIntervalMs: 3_600_000, maxConnectionsPerAddress: 5_000 } });
    const silent = await Promise.all(Array.from({ length: 1_000 }, () => opened()));
    assert.equal(await metric('connections'), 1_000);
    await servesOthers();
    await until(async () => (await metric('connections')) === 1_000);
    for (const socket of silent) socket.destroy();
    await until(async () => (await metric('connections')) === 0);
  }).timeout(60_000);

  it('by the thousand that say nothing are cut', async () => {
    relay = await cleanup.relay({ limits: { pingIntervalMs: 100, maxConnectionsPerAddress: 5_000 } });
    const silent = await Promise.all(Array.from({ length: 1_000 }, () => opened()));
    await until(() => silent.every(({ isOver }) => isOver));
    await until(async () => (await metric('connections')) === 0);
    await servesOthers();
  }).timeout(60_000);
});
