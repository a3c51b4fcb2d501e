import assert from 'node:assert/strict';
import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, it } from 'mocha';
import { decodeSignedEnvelope, signedEnvelopeToJson } from '../../src/codec/index.ts';
import type { Relay } from '../../src/relay/index.ts';
import { until } from '../support/until.ts';
import { RawSocket } from './raw-socket.ts';
import { alice, bob, Cleanup, message } from './support.ts';

const octets = 'application/octet-stream';
const jsonType = 'application/json';

describe('relay: HTTP from one hostile address', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  interface PostOptions {
    readonly type?: string;
    /** Announced; what is written may be less. */
    readonly length?: number;
    readonly from?: string;
    readonly endless?: boolean;
    readonly path?: string;
  }

  /** A POST that may stay unfinished. */
  const begin = (relay: Relay, body: Uint8Array | string, options: PostOptions = {}): ClientRequest => {
    const { type = octets, length, from = '127.0.0.1', endless = false, path = '/v1/messages' } = options;
    const headers = { 'content-type': type, ...(length !== undefined && { 'content-length': length }) };
    const made = request(relay.url + path, { method: 'POST', headers, localAddress: from, agent: false });
    cleanup.add(made, () => made.destroy());
    made.on('error', () => undefined).flushHeaders();
    if (body.length > 0) made.write(body);
    if (!endless) made.end();
    return made;
  };
  const answerOf = (made: ClientRequest): Promise<{ status: number; body: Record<string, unknown> }> =>
    new Promise((resolve, reject) => {
      made.on('error', reject).on('response', (answer: IncomingMessage) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
        answer.on('end', () => {
          resolve({ status: answer.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> });
        });
      });
    });
  const post = (relay: Relay, body: Uint8Array | string, options?: PostOptions) =>
    answerOf(begin(relay, body, options));
  const metrics = async (relay: Relay) => (await fetch(`${relay.url}/metrics`)).text();

  it('holds no memory by bodies that it announces and does not send', async () => {
    const relay = await cleanup.relay({ limits: { maxBodyBytes: 10_000, maxPendingBytes: 40_000 } });
    for (let n = 0; n < 16; n++) begin(relay, 'x', { type: jsonType, length: 10_000, endless: true });
    await until(async () => (await post(relay, message(alice, bob).bytes)).status === 202);
  });

  it('holds at most an eighth of the memory for bodies, so that others get theirs', async () => {
    const relay = await cleanup.relay({ limits: { maxBodyBytes: 5_000, maxPendingBytes: 40_000 } });
    const full = new Uint8Array(4_000);
    begin(relay, full, { length: 5_000, from: '127.0.0.2', endless: true });
    const refusal = await until(async () => {
      const answer = await post(relay, message(alice, bob, { size: 3_000 }).bytes, { from: '127.0.0.2' });
      return answer.status === 503 && answer;
    });
    assert.match(String(refusal.body['detail']), /5000 bytes of requests in flight from one address/);
    assert.equal((await post(relay, message(alice, bob, { size: 3_000 }).bytes)).status, 202);
  });

  it('pays for a request before its body is read', async () => {
    const relay = await cleanup.relay({ limits: { perAddress: { perSecond: 0.001, burst: 2 } } });
    for (let n = 0; n < 2; n++) assert.equal((await post(relay, '{', { type: jsonType })).status, 400);
    const third = begin(relay, '', { type: jsonType, length: 1_000, endless: true });
    assert.equal((await answerOf(third)).status, 429);
    assert.match(await metrics(relay), /refused_total\{code="rate-limited"\} 1/);
    assert.equal((await post(relay, message(alice, bob).bytes, { from: '127.0.0.2' })).status, 202);
  });

  it('pays for bytes as for messages, one for each 4 KiB', async () => {
    const relay = await cleanup.relay({ limits: { perAddress: { perSecond: 0.001, burst: 20 } } });
    const large = () => message(alice, bob, { size: 60_000 }).bytes;
    assert.equal((await post(relay, large())).status, 202);
    assert.equal((await post(relay, large())).status, 429);
  });

  it('pays for each message of a batch', async () => {
    const relay = await cleanup.relay({ limits: { perAddress: { perSecond: 0.001, burst: 3 } } });
    const json = () => signedEnvelopeToJson(decodeSignedEnvelope(message(alice, bob).bytes));
    const batch = await post(relay, JSON.stringify(Array.from({ length: 4 }, json)), { type: jsonType });
    const results = batch.body['results'] as { readonly status: unknown }[];
    assert.deepEqual(
      results.map(({ status }) => status),
      ['stored', 'stored', 'stored', 429],
    );
  });

  it('gets one short reason for JSON that is no message, however much is wrong with it, and is counted', async () => {
    const relay = await cleanup.relay();
    const deep = 450_000;
    const strange = [
      `[${'['.repeat(deep)}${']'.repeat(deep)}]`,
      JSON.stringify([Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`f${n}`, n]))]),
      JSON.stringify([{ __proto__: null, from: ['0x'] }, 7, null, 'x']),
    ];
    const reasons = [];
    for (const body of strange) {
      const { results } = (await post(relay, body, { type: jsonType })).body as { results: { detail: string }[] };
      reasons.push(...results.map(({ detail }) => detail));
    }
    assert.equal(reasons.length, 6);
    for (const reason of reasons) assert.ok(reason.length < 150, reason);
    assert.match(await metrics(relay), /refused_total\{code="bad-request"\} 6/);
  });

  it('gets a payload refused that is longer than a message may be', async () => {
    const relay = await cleanup.relay({ limits: { maxMessageBytes: 1_000 } });
    const json = signedEnvelopeToJson(decodeSignedEnvelope(message(alice, bob, { size: 2_000 }).bytes));
    const answer = await post(relay, JSON.stringify(json), { type: jsonType });
    assert.deepEqual([answer.status, answer.body['code']], [400, 'bad-request']);
    assert.match(String(answer.body['detail']), /payload/);
  });

  it('is told that a path is not there, whatever the path looks like', async () => {
    const relay = await cleanup.relay();
    for (const path of ['/:a(', '/*', '/:x', '/v1/:x(', '/v1/messages/', '/%00', '//']) {
      const answer = await fetch(relay.url + path);
      assert.equal(answer.status, 404, path);
    }
    const wrong = await fetch(`${relay.url}/v1/messages`);
    assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'POST']);
  });

  it('is refused in the words of the catalogue, by whatever part of the server', async () => {
    const sizes = { maxMessageBytes: 1_000, maxBodyBytes: 1_000 };
    const patient = await cleanup.relay({ limits: sizes });
    // For those alone that it is to have enough of.
    const hasty = await cleanup.relay({ limits: { ...sizes, requestTimeoutMs: 100 } });
    const raw = async ({ url }: { readonly url: string }, written: string): Promise<string> => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      cleanup.add(socket, () => socket.destroy());
      let text = '';
      socket.on('error', () => undefined).on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.write(written);
      await new Promise((resolve) => socket.once('close', resolve));
      return text;
    };
    const close = 'host: x\r\nconnection: close\r\n';
    const upgrade = 'host: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n';
    for (const [written, status, code] of [
      [`GET /% HTTP/1.1\r\n${close}\r\n`, 400, 'bad-request'],
      ['no HTTP at all\r\n\r\n', 400, 'bad-request'],
      [`GET /healthz HTTP/1.1\r\n${close}x: ${'y'.repeat(20_000)}\r\n\r\n`, 431, 'bad-request'],
      ['GET /healthz HTTP/1.1\r\nhost: x\r\n', 408, 'bad-request'],
      [
        `POST /v1/messages HTTP/1.1\r\n${close}content-type: ${octets}\r\ncontent-length: 5\r\n\r\nx`,
        408,
        'bad-request',
      ],
      [
        `POST /v1/messages HTTP/1.1\r\n${close}content-type: text/plain\r\ncontent-length: 1\r\n\r\nx`,
        415,
        'unsupported-media-type',
      ],
      [
        `POST /v1/messages HTTP/1.1\r\n${close}content-type: ${octets}\r\ncontent-length: 9999\r\n\r\n`,
        413,
        'envelope-too-large',
      ],
      [`PUT /v1/messages HTTP/1.1\r\n${close}\r\n`, 405, 'method-not-allowed'],
      [`GET /nothing HTTP/1.1\r\n${close}\r\n`, 404, 'no-such-route'],
      [`GET /% HTTP/1.1\r\n${upgrade}\r\n`, 404, 'no-such-route'],
      [`POST /v1/messages HTTP/1.1\r\n${close}content-type: ${octets}\r\ncontent-length: 1\r\n\r\nx`, 400, 'truncated'],
    ] as const) {
      const text = await raw(status === 408 ? hasty : patient, written);
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), written.slice(0, 40));
      assert.match(text, /\r\ncontent-type: application\/problem\+json/i, written.slice(0, 40));
      assert.ok(text.includes(`"code":"${code}"`) && text.includes(`"status":${status}`), text);
    }
  });

  it('is refused in the words of the catalogue, and told the rest, while the relay stops', async () => {
    let answer = (): void => undefined;
    let asked = false;
    const verifySignature = () => {
      asked = true;
      return new Promise<boolean>((resolve) => (answer = () => resolve(true)));
    };
    const relay = await cleanup.relay({ verifySignature });
    const post = (text: string): Promise<Response> =>
      fetch(`${relay.url}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': octets },
        body: Uint8Array.from(message(alice, bob, { text }).bytes),
      });
    const taken = post('before');
    await until(() => asked);
    const stopping = relay.stop();
    const refused = await post('meanwhile');
    assert.equal(refused.status, 503);
    assert.match(refused.headers.get('content-type') ?? '', /^application\/problem\+json(;|$)/);
    assert.equal(((await refused.json()) as { readonly code: string }).code, 'relay-stopping');
    assert.equal((await fetch(`${relay.url}/readyz`)).status, 503);
    answer();
    assert.equal((await taken).status, 202);
    await stopping;
  });

  it('pays for the pieces of a body, and may not send it in crumbs', async () => {
    const relay = await cleanup.relay({ limits: { perAddress: { perSecond: 0.001, burst: 20 } } });
    const chunked = (size: number, count: number, from?: string): Promise<{ status: number }> => {
      const made = begin(relay, '', { ...(from !== undefined && { from }), endless: true });
      const piece = `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`;
      // Past what Node would make of it.
      made.socket?.write(piece.repeat(count));
      made.once('socket', (socket) =>
        socket.once('connect', () => setImmediate(() => socket.write(piece.repeat(count)))),
      );
      return answerOf(made);
    };
    assert.equal((await chunked(1, 200)).status, 400);
    assert.equal((await chunked(80, 3_000, '127.0.0.2')).status, 429);
    assert.equal((await post(relay, message(alice, bob).bytes, { from: '127.0.0.3' })).status, 202);
  });

  it('is not read from where there is nothing at its path', async () => {
    const relay = await cleanup.relay();
    const answer = await answerOf(begin(relay, 'x'.repeat(10), { length: 1_000_000, endless: true, path: '/nothing' }));
    assert.equal(answer.status, 404);
  });
});

describe('relay: requests of one address that bring no message', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const once = { perSecond: 0.001, burst: 3 };
  const get = (relay: Relay, path: string, localAddress = '127.0.0.1', method = 'GET'): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      request(relay.url + path, { method, localAddress, agent: false }, (answer) => {
        resolve(answer.resume());
      })
        .on('error', reject)
        .end();
    });
  /** All that comes back over one connection for what is written at once. */
  const answersTo = async (relay: Relay, written: string): Promise<string> => {
    const socket = connect({ port: Number(new URL(relay.url).port), host: '127.0.0.1', localAddress: '127.0.0.2' });
    cleanup.add(socket, () => socket.destroy());
    let text = '';
    socket.on('error', () => undefined).on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.write(written);
    await new Promise((resolve) => socket.once('close', resolve));
    return text;
  };
  const one = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;

  it('are paid for, whatever they ask for, beside messages', async () => {
    for (const [path, method] of [
      ['/healthz', 'GET'],
      ['/nothing', 'GET'],
      ['/%00', 'GET'],
      // What fastify refuses before any of our hooks.
      ['/%', 'GET'],
      ['/v1/messages', 'PUT'],
      ['/v1/messages', 'OPTIONS'],
      ['/v1/ws', 'GET'],
    ] as const) {
      const relay = await cleanup.relay({ limits: { perAddressQueries: once } });
      const of = async (from?: string) => (await get(relay, path, from, method)).statusCode;
      const first = await of();
      assert.deepEqual([await of(), await of()], [first, first], path);
      const refused = await get(relay, path, undefined, method);
      assert.deepEqual([refused.statusCode, refused.headers.connection], [429, 'close'], path);
      assert.equal(await of('127.0.0.2'), first, path);
      const body = Uint8Array.from(message(alice, bob).bytes);
      const headers = { 'content-type': octets };
      assert.equal((await fetch(`${relay.url}/v1/messages`, { method: 'POST', headers, body })).status, 202);
    }
  });

  it('are answered one at a time: a thousand in one packet get one answer', async () => {
    const relay = await cleanup.relay();
    const text = await answersTo(relay, one('/metrics').repeat(1_500));
    assert.equal(text.split('HTTP/1.1 ').length - 1, 1);
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(text, /\r\nConnection: close\r\n/i);
    assert.equal((await get(relay, '/healthz')).statusCode, 200);
    assert.match(
      await (await fetch(`${relay.url}/metrics`)).text(),
      /connections_closed_total\{reason="pipelined"\} 1\n/,
    );
  });

  it('are answered over the same connection where each waits for the one before', async () => {
    const relay = await cleanup.relay();
    const agent = cleanup.add(new Agent({ keepAlive: true, maxSockets: 1 }), (made) => {
      made.destroy();
    });
    const ports = new Set<number | undefined>();
    for (let n = 0; n < 20; n++)
      await new Promise((resolve, reject) => {
        request(`${relay.url}/openapi.json`, { agent }, (answer) => {
          ports.add(answer.socket.localPort);
          answer.resume().once('end', resolve);
        })
          .on('error', reject)
          .end();
      });
    assert.equal(ports.size, 1);
  });

  it('make the answer of /metrics once a second at most, however many ask', async () => {
    const relay = await cleanup.relay({ limits: { metricsAgeMs: 60_000 } });
    const metrics = async () => (await fetch(`${relay.url}/metrics`)).text();
    const first = await metrics();
    await (await get(relay, '/v1/messages', undefined, 'POST')).toArray();
    assert.deepEqual(await Promise.all([metrics(), metrics(), metrics()]), [first, first, first]);
  });

  it('find /metrics nowhere else where it has a listener of its own, and no page of another origin reads it', async () => {
    const open = await cleanup.relay();
    const page = { headers: { origin: 'https://page.example' } };
    assert.equal(open.metricsUrl, open.url);
    const allowed = async (path: string) =>
      (await fetch(open.url + path, page)).headers.get('access-control-allow-origin');
    assert.deepEqual(
      [await allowed('/metrics'), await allowed('/metrics?x'), await allowed('/v1/info')],
      [null, null, '*'],
    );

    const relay = await cleanup.relay({ metricsListen: { port: 0 } });
    assert.notEqual(relay.metricsUrl, relay.url);
    assert.equal((await fetch(`${relay.url}/metrics`)).status, 404);
    const answer = await fetch(`${relay.metricsUrl}/metrics`);
    assert.match(String(answer.headers.get('content-type')), /^text\/plain/);
    assert.match(await answer.text(), /^khala_relay_connections 0$/m);
    assert.equal((await fetch(`${relay.metricsUrl}/v1/info`)).status, 404);
    const { metricsUrl } = relay;
    await relay.stop();
    await assert.rejects(fetch(`${metricsUrl}/metrics`));
  });
});

describe('relay: connections of one address', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const dial = (relay: Relay, localAddress = '127.0.0.1') => {
    const socket = connect({ port: Number(new URL(relay.url).port), host: '127.0.0.1', localAddress });
    cleanup.add(socket, () => socket.destroy());
    const state = { socket, isOpen: false, isClosed: false };
    socket.on('connect', () => (state.isOpen = true)).on('error', () => undefined);
    socket.on('close', () => (state.isClosed = true)).resume();
    return state;
  };
  const works = async (relay: Relay, localAddress: string): Promise<boolean> => {
    const { socket } = dial(relay, localAddress);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('connect', () => socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'));
    await new Promise((resolve) => socket.once('close', resolve));
    return text.startsWith('HTTP/1.1 200');
  };

  it('are bounded from the moment that they are made, whether or not anything comes over them', async () => {
    const relay = await cleanup.relay({ limits: { maxConnectionsPerAddress: 3 } });
    const all = Array.from({ length: 8 }, () => dial(relay, '127.0.0.2'));
    await until(() => all.filter(({ isClosed }) => isClosed).length === 2);
    assert.equal(await works(relay, '127.0.0.2'), false);
    assert.equal(await works(relay, '127.0.0.1'), true);
    assert.match(await (await fetch(`${relay.url}/metrics`)).text(), /connections_closed_total\{reason="too-many"\} 3/);
    for (const { socket, isClosed } of all) if (!isClosed) socket.destroy();
    await until(() => works(relay, '127.0.0.2'));
  });

  it('are paid for, beside others', async () => {
    const relay = await cleanup.relay({ limits: { perAddressConnections: { perSecond: 0.001, burst: 3 } } });
    for (let n = 0; n < 3; n++) assert.equal(await works(relay, '127.0.0.2'), true);
    assert.equal(await works(relay, '127.0.0.2'), false);
    assert.equal(await works(relay, '127.0.0.3'), true);
  });

  it('are bounded with those of all others', async () => {
    const relay = await cleanup.relay({ limits: { maxConnections: 4 } });
    const all = Array.from({ length: 4 }, (_, n) => dial(relay, `127.0.0.${n + 2}`));
    await until(() => all.every(({ isOpen }) => isOpen));
    await until(async () => !(await works(relay, '127.0.0.9')));
    assert.ok(all.every(({ isClosed }) => !isClosed));
    all[0]?.socket.destroy();
    await until(() => works(relay, '127.0.0.9'));
  });

  it('are not bounded together where the address is a proxy that is trusted', async () => {
    const relay = await cleanup.relay({ limits: { maxConnectionsPerAddress: 1 }, trustProxy: ['127.0.0.0/30'] });
    const all = Array.from({ length: 5 }, () => dial(relay, '127.0.0.2'));
    await until(() => all.every(({ isOpen }) => isOpen));
    assert.equal(await works(relay, '127.0.0.2'), true);
    assert.ok(all.every(({ isClosed }) => !isClosed));
    for (let n = 0; n < 2; n++) dial(relay, '127.0.0.5');
    await until(async () => !(await works(relay, '127.0.0.5')));
  });

  const upgrade = ['GET /v1/ws HTTP/1.1', 'host: x', 'upgrade: websocket', 'connection: upgrade']
    .concat(['sec-websocket-version: 13', `sec-websocket-key: ${'A'.repeat(22)}==`, '\r\n'])
    .join('\r\n');

  it('are ended where a WebSocket too many is told so and does not go', async () => {
    const relay = await cleanup.relay({ limits: { maxConnectionsPerAddress: 1 } });
    await RawSocket.open(relay.url, cleanup);
    const mute: { socket: Socket; isClosed: boolean } = dial(relay);
    mute.socket.write(upgrade);
    await until(() => mute.isClosed);
  });

  it('are ended where a WebSocket that is not paid for is told so and does not go', async () => {
    const relay = await cleanup.relay({ limits: { perAddressQueries: { perSecond: 0.001, burst: 1 } } });
    await RawSocket.open(relay.url, cleanup);
    // It would stay open on its own side for as long as it is let.
    const socket = connect({ port: Number(new URL(relay.url).port), host: '127.0.0.1', allowHalfOpen: true });
    cleanup.add(socket, () => socket.destroy());
    let text = '';
    let hasEnded = false;
    socket.on('error', () => undefined).on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('end', () => (hasEnded = true)).write(upgrade);
    await until(() => hasEnded);
    assert.match(text, /^HTTP\/1\.1 429 /);
  });
});
