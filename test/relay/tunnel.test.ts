import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import type { Socket } from 'node:net';
import { afterEach, describe, it } from 'mocha';
import { WebSocket } from 'ws';
import type { Hex } from '../../src/codec/index.ts';
import type { ClientFrame } from '../../src/relay/client-frames.ts';
import { Connection } from '../../src/relay/connection.ts';
import type { RelayOptions } from '../../src/relay/index.ts';
import { createNodeTransport } from '../../src/relay/node-transport.ts';
import { encodeRelayFrame } from '../../src/relay/relay-frames.ts';
import { dialOf } from '../../src/relay/relay-way.ts';
import { replyBox } from '../../src/relay/reply-box.ts';
import { until } from '../support/until.ts';
import { lyingRelay } from './lying-relay.ts';
import { RawSocket } from './raw-socket.ts';
import { alice, bob, carol, Cleanup, genesisHash, message, signer } from './support.ts';

describe('relay: a WebSocket that is joined to another relay', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const start = async (endpoints: readonly string[], options: Partial<RelayOptions> = {}) => {
    const known = new Map<Hex, readonly string[]>([[bob.identity, endpoints]]);
    const workerState = {
      get: (id: Hex) => {
        const found = known.get(id);
        return found === undefined ? undefined : { endpoints: found };
      },
    };
    const forwardStore = await cleanup.store();
    return cleanup.relay({ recipients: [carol.identity], workerState, forwardStore, ...options });
  };
  const far = () => cleanup.relay({ recipients: [bob.identity] });
  const queryOf = (endpoint: string, recipient = bob.identity): string =>
    `?${new URLSearchParams({ recipient, endpoint }).toString()}`;
  const tunnel = (url: string, endpoint: string): Promise<RawSocket> =>
    RawSocket.open(url, cleanup, {
      path: `/v1/tunnel${queryOf(endpoint)}`,
      origin: `${endpoint.replace('http', 'ws')}#prove`,
    });
  const key = Uint8Array.from({ length: 32 }, () => 7);
  const openerAt = (url: string, endpoint: string) => ({
    open: (localAddress: string) =>
      RawSocket.open(url, cleanup, { path: `/v1/tunnel${queryOf(endpoint)}`, localAddress }),
    isRefused: async (localAddress: string): Promise<boolean> => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/tunnel${queryOf(endpoint)}`, { localAddress });
      cleanup.add(socket, () => {
        socket.terminate();
      });
      const code = await new Promise((resolve) => {
        socket.once('message', resolve).once('close', resolve);
      });
      return code === 1013;
    },
  });
  /** Its place is another's. */
  const ended = async (raw: RawSocket | undefined): Promise<void> => {
    assert.ok(raw);
    assert.equal(await raw.closed(), 1013);
    assert.equal(raw.closeReason, 'its place is for who has fewer');
  };
  /** Status that the upgrade is refused with. */
  const refusal = (url: string, query: string, localAddress = '127.0.0.1'): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/tunnel${query}`, { localAddress });
      socket.on('unexpected-response', (request, response) => {
        request.destroy();
        resolve(response.statusCode);
      });
      socket.on('open', () => {
        socket.terminate();
        reject(new Error('it was taken'));
      });
      socket.on('error', () => undefined);
    });

  it('lets who waits for an answer prove itself to the other, hear it there, and be done with it', async () => {
    const b = await far();
    const a = await start([b.url]);
    const raw = await tunnel(a.url, b.url);
    assert.equal((await raw.prove(alice)).type, 'logged-in');
    raw.send({ type: 'await-reply', id: 5, senderKey: key, after: 0n });
    const answer = message(bob, alice);
    const { cursor } = await b.mailStore.append(replyBox(alice.identity, key), answer.id, answer.bytes);
    assert.deepEqual((await raw.next('reply')).signedEnvelope, answer.bytes);
    raw.send({ type: 'reply-done', senderKey: key, upTo: cursor });
    await until(async () => (await b.mailStore.totals()).count === 0);
  });

  it('signs to the relay at its end: the one in between can not use the proof, nor pass it on', async () => {
    const b = await far();
    const a = await start([b.url]);
    const raw = await RawSocket.open(a.url, cleanup, {
      path: `/v1/tunnel${queryOf(b.url)}`,
      origin: `${a.url.replace('http', 'ws')}#prove`,
    });
    assert.equal((await raw.prove(alice)).type, 'error');
  });

  /** Between an asker and `b`: asks `b` for the challenge itself, and says there what the asker signs, in a frame of its choice. */
  const thief = async (b: { readonly url: string }, type: 'login' | 'prove') => {
    const stolen = await RawSocket.open(b.url, cleanup);
    const lie = await lyingRelay(cleanup, (frame, { say }) => {
      void (async () => {
        if (frame.type === 'challenge-me') say({ ...(await stolen.challenge()), id: frame.id });
        if (frame.type === 'prove') {
          stolen.send({ ...frame, type });
          say({ ...(await until(() => [...stolen.all('logged-in'), ...stolen.all('error')][0])), id: frame.id });
        }
      })();
    });
    const connection = new Connection({
      dial: dialOf({ url: b.url, by: { relay: lie.url, recipient: bob.identity } }),
      ...{ genesisHash, timeoutMs: 10_000 },
      transport: createNodeTransport({ allowPrivate: true }),
    });
    cleanup.add(connection, () => {
      connection.close();
    });
    return { stolen, connection };
  };

  it('gives the relay in between no login: it can not open the mailbox of who proves itself through it', async () => {
    const b = await cleanup.relay({ recipients: [alice.identity, bob.identity] });
    const mail = message(carol, alice);
    await b.mailStore.append(alice.identity, mail.id, mail.bytes);
    const { stolen, connection } = await thief(b, 'login');
    const prover = { identity: alice.identity, sign: signer(alice) };
    await assert.rejects(connection.prove('prove', prover), { code: 'login-refused' });
    stolen.send({ type: 'credit', deliveries: 1 });
    await stolen.closed();
    assert.deepEqual(stolen.all('delivery'), []);
    assert.equal((await b.mailStore.totals()).count, 1);
  });

  it('is what a client proves itself through', async () => {
    const b = await far();
    const { connection } = await thief(b, 'prove');
    const answer = await connection.prove('prove', { identity: alice.identity, sign: signer(alice) });
    assert.equal(answer.generation, b.mailStore.generation);
  });

  it('leads nowhere but to what the chain names for a recipient, and forwarding would dial', async () => {
    const b = await far();
    const a = await start([b.url, 'not a URL', 'http://169.254.169.254:80']);
    const other = await far();
    assert.equal(await refusal(a.url, queryOf(other.url)), 422);
    assert.equal(await refusal(a.url, queryOf(b.url, alice.identity)), 404);
    assert.equal(await refusal(a.url, queryOf(b.url, carol.identity)), 422);
    assert.equal(await refusal(a.url, queryOf('http://169.254.169.254:80')), 422);
    assert.equal(await refusal(a.url, ''), 400);
    assert.equal(await refusal(a.url, queryOf('ftp://127.0.0.1')), 400);
    assert.equal(await refusal(a.url, `?recipient=0x12&endpoint=${encodeURIComponent(b.url)}`), 400);
    assert.equal(await refusal((await start([b.url], { allowPrivate: false })).url, queryOf(b.url)), 422);
  });

  it('is not there where nothing is forwarded, or for registered senders only', async () => {
    const b = await far();
    assert.equal(await refusal(b.url, queryOf(b.url)), 404);
    const registered = await start([b.url], { forwardFor: 'registered' });
    assert.equal(await refusal(registered.url, queryOf(b.url)), 404);
  });

  it('carries nothing but proofs, questions for answers and what is done with: no message, no login, nothing large', async () => {
    const b = await far();
    const a = await start([b.url]);
    const { bytes } = message(alice, bob);
    const signature = new Uint8Array(64);
    const login = { type: 'login', id: 1, identity: alice.identity, origin: 'ws://x', signature } as const;
    const refused: readonly ClientFrame[] = [
      { type: 'send', id: 1, signedEnvelope: bytes },
      { type: 'post-reply', id: 1, signedEnvelope: bytes },
      login,
      { type: 'credit', deliveries: 1 },
      { type: 'ack', upTo: 1n },
      { ...login, type: 'prove', origin: 'x'.repeat(2_000) },
    ];
    for (const frame of refused) {
      const raw = await tunnel(a.url, b.url);
      raw.send(frame);
      assert.equal(await raw.closed(), 1008, frame.type);
    }
    const raw = await tunnel(a.url, b.url);
    raw.socket.send('text');
    assert.equal(await raw.closed(), 1008);
    assert.equal((await b.mailStore.totals()).count, 0);
  });

  it('keeps no place where what is to be dialled is refused at once', async () => {
    const base = 'http://127.0.0.1:1/';
    const endpoint = base + 'x'.repeat(2_046 - base.length);
    const a = await start([endpoint], { limits: { maxTunnels: 8 } });
    for (let n = 0; n < 3; n++) {
      const socket = new WebSocket(`${a.url.replace('http', 'ws')}/v1/tunnel${queryOf(endpoint)}`);
      assert.equal(await new Promise((resolve) => socket.once('close', resolve)), 1013);
    }
    const ended = async (): Promise<string> => (await fetch(`${a.url}/metrics`)).text();
    await until(async () => (await ended()).includes('khala_relay_tunnels 0\n'));
    assert.match(await ended(), /tunnels_total\{reason="far-refused"\} 3/);
  });

  it('ends with the connection to the other relay, and that ends with it', async () => {
    const b = await far();
    const a = await start([b.url]);
    const gauge = async (url: string, name: string): Promise<number> => {
      const text = await (await fetch(`${url}/metrics`)).text();
      return Number(new RegExp(`^khala_relay_${name} (\\d+)$`, 'm').exec(text)?.[1]);
    };
    const first = await tunnel(a.url, b.url);
    first.socket.terminate();
    await until(async () => (await gauge(b.url, 'connections')) === 0);
    const second = await tunnel(a.url, b.url);
    assert.equal(await gauge(a.url, 'tunnels'), 1);
    await b.stop();
    assert.equal(await second.closed(), 1013);
    await until(async () => (await gauge(a.url, 'tunnels')) === 0);
  });

  it('ends where nobody is at the other end, and when the relay stops', async () => {
    const a = await start(['http://127.0.0.1:1']);
    const socket = new WebSocket(`${a.url.replace('http', 'ws')}/v1/tunnel${queryOf('http://127.0.0.1:1')}`);
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    assert.equal(await closed, 1013);
    const b = await far();
    const other = await start([b.url]);
    const raw = await tunnel(other.url, b.url);
    await other.stop();
    assert.equal(await raw.closed(), 1001);
  });

  it('passes on nothing of the other end that is no answer', async () => {
    const lie = await lyingRelay(cleanup, (_, { socket }) => {
      socket.send(encodeRelayFrame({ type: 'delivery', cursor: 1n, signedEnvelope: new Uint8Array(9) }));
    });
    const a = await start([lie.url]);
    const raw = await tunnel(a.url, lie.url);
    raw.send({ type: 'challenge-me', id: 1 });
    assert.equal(await raw.closed(), 1013);
    assert.deepEqual(raw.all('delivery'), []);
  });

  it('is one of few for an address, and pays for what it says as any WebSocket', async () => {
    const b = await far();
    const limits = { maxTunnels: 16, perAddress: { perSecond: 0.001, burst: 30 } };
    const a = await start([b.url], { limits });
    const first = await tunnel(a.url, b.url);
    await tunnel(a.url, b.url);
    const third = new WebSocket(`${a.url.replace('http', 'ws')}/v1/tunnel${queryOf(b.url)}`);
    assert.equal(await new Promise((resolve) => third.once('close', resolve)), 1013);
    for (let id = 1; id <= 20; id++) first.send({ type: 'challenge-me', id });
    // Two greetings, then as many questions as come, and answers for what they leave.
    await first.next('challenge', 7);
    // What b said by then has come.
    await (await RawSocket.open(b.url, cleanup)).challenge();
    assert.ok(first.all('challenge').length <= 14, `${first.all('challenge').length}`);
  });

  it('lets who waits pay for what the other end says, and reads no more of it', async () => {
    const lie = await lyingRelay(cleanup, (_, { say }) => {
      for (let n = 0; n < 100; n++) say({ type: 'reply', id: 9, cursor: 1n, signedEnvelope: new Uint8Array(4_000) });
    });
    const a = await start([lie.url], { limits: { perAddress: { perSecond: 0.001, burst: 8 } } });
    const raw = await tunnel(a.url, lie.url);
    raw.send({ type: 'challenge-me', id: 1 });
    // A greeting and a question were paid for, too.
    await raw.next('reply', 5);
    // More would have come by now.
    await (await RawSocket.open((await far()).url, cleanup)).challenge();
    assert.equal(raw.all('reply').length, 6);
  });

  it('takes of the other end nothing that is too long, nor what does not decode', async () => {
    const long = 'x'.repeat(20_000);
    const says: readonly Uint8Array[] = [
      encodeRelayFrame({ type: 'reply', id: 9, cursor: 1n, signedEnvelope: new Uint8Array(5_000) }),
      encodeRelayFrame({ type: 'reply', id: 9, cursor: 1n, signedEnvelope: new Uint8Array(50) }).subarray(0, 40),
      encodeRelayFrame({ type: 'error', id: 9, code: 'x', message: long, remedy: '', details: '{}' }),
    ];
    for (const [n, said] of says.entries()) {
      const lie = await lyingRelay(cleanup, (_, { socket }) => {
        socket.send(said);
      });
      const a = await start([lie.url], { limits: { maxMessageBytes: n === 2 ? 100_000 : 4_096 } });
      const raw = await tunnel(a.url, lie.url);
      raw.send({ type: 'challenge-me', id: 1 });
      assert.equal(await raw.closed(), 1013);
      assert.deepEqual([raw.all('reply'), raw.all('error')], [[], []]);
    }
  });

  it('counts what has come of messages of the other end that are not whole, with that of all others', async () => {
    const lie = await lyingRelay(cleanup, (_, { socket }) => {
      socket.send(new Uint8Array(60_000), { fin: false });
    });
    const a = await start([lie.url], { limits: { maxMessageBytes: 65_536, maxPendingBytes: 65_536 } });
    const sockets = [await tunnel(a.url, lie.url), await tunnel(a.url, lie.url), await tunnel(a.url, lie.url)];
    for (const raw of sockets) raw.send({ type: 'challenge-me', id: 1 });
    await until(() => sockets.some(({ closeCode }) => closeCode === 1013));
    const metrics = await (await fetch(`${a.url}/metrics`)).text();
    assert.match(metrics, /tunnels_total\{reason="relay-busy"\} 1/);
  });

  it('holds its place until the other end is gone, which answers no goodbye, and leaves nothing behind at a stop', async () => {
    let open = 0;
    const lie = await lyingRelay(cleanup, (_, { socket }) => {
      // Deaf from now on; that the connection is gone it sees.
      const { _socket: stream } = socket as unknown as { readonly _socket: Socket };
      open += 1;
      stream.once('close', () => (open -= 1));
      stream.removeAllListeners('data');
      stream.resume();
      socket.send(encodeRelayFrame({ type: 'challenge', id: 1, serverNonce: new Uint8Array(32), expiresAt: 1n }));
    });
    const a = await start([lie.url]);
    const count = async (): Promise<string | undefined> =>
      /^khala_relay_tunnels (\d+)$/m.exec(await (await fetch(`${a.url}/metrics`)).text())?.[1];
    const deaf = async (): Promise<RawSocket> => {
      const raw = await tunnel(a.url, lie.url);
      raw.send({ type: 'challenge-me', id: 1 });
      await raw.next('challenge');
      return raw;
    };
    const first = await deaf();
    first.socket.terminate();
    await until(async () => (await count()) === '0');
    assert.equal(open, 0);
    await deaf();
    assert.equal(open, 1);
    await a.stop();
    await until(() => open === 0);
  });

  it('is one of few to one address, a quarter of them for who asks, who has the most there gives way to who has fewer: what that grants this relay is for what is forwarded, too', async () => {
    const lie = await lyingRelay(cleanup, (frame, { say }) => {
      if (frame.type === 'challenge-me')
        say({ type: 'challenge', id: frame.id, serverNonce: new Uint8Array(32), expiresAt: 1n });
    });
    const a = await start([lie.url], { limits: { maxTunnels: 1_000 } });
    const { open, isRefused } = openerAt(a.url, lie.url);
    const hogs = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'];
    const sockets: RawSocket[] = [];
    for (const address of hogs) {
      for (let n = 0; n < 16; n++) sockets.push(await open(address));
      assert.equal(await isRefused(address), true);
    }
    await (await open('127.0.0.6')).challenge();
    await ended(sockets[0]);
    assert.deepEqual(
      sockets.filter(({ closeCode }) => closeCode !== undefined),
      [sockets[0]],
    );
  });

  it('is not kept from others by four addresses that hold all to one relay, and say there all they may', async () => {
    const b = await far();
    const now = Date.now();
    const a = await start([b.url], { clock: () => now });
    const { open } = openerAt(a.url, b.url);
    const sockets: RawSocket[] = [];
    for (const address of ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'])
      for (let n = 0; n < 16; n++) sockets.push(await open(address));
    for (const raw of sockets) for (let id = 1; id <= 20; id++) raw.send({ type: 'challenge-me', id });
    // What they said by then has come.
    await (await RawSocket.open(a.url, cleanup)).challenge();
    const asker = await RawSocket.open(a.url, cleanup, {
      path: `/v1/tunnel${queryOf(b.url)}`,
      origin: `${b.url.replace('http', 'ws')}#prove`,
      localAddress: '127.0.0.6',
    });
    await ended(sockets[0]);
    assert.equal((await asker.prove(alice)).type, 'logged-in');
    const heard = sockets.reduce((sum, raw) => sum + raw.all('challenge').length, 0);
    assert.ok(heard < 64 * 20, `${heard}`);
  });

  it('is given up by who has the most, the oldest first, to who has fewer, and by nobody else', async () => {
    const lie = await lyingRelay(cleanup, (frame, { say }) => {
      if (frame.type === 'challenge-me')
        say({ type: 'challenge', id: frame.id, serverNonce: new Uint8Array(32), expiresAt: 1n });
    });
    const a = await start([lie.url], { limits: { maxTunnels: 32 } });
    const { open, isRefused } = openerAt(a.url, lie.url);
    const hogs: RawSocket[][] = [];
    for (let host = 2; host < 10; host++) {
      const sockets: RawSocket[] = [];
      for (let n = 0; n < 4; n++) sockets.push(await open(`127.0.0.${host}`));
      hogs.push(sockets);
    }
    const own: RawSocket[] = [];
    for (let n = 0; n < 3; n++) {
      own.push(await open('127.0.0.10'));
      await ended(hogs[n]?.[0]);
    }
    // As many as those that have the most, or one of those: nobody has to give way.
    assert.equal(await isRefused('127.0.0.10'), true);
    assert.equal(await isRefused('127.0.0.2'), true);
    const left = [...hogs.flatMap((sockets, n) => (n < 3 ? sockets.slice(1) : sockets)), ...own];
    await Promise.all(left.map((raw) => raw.challenge()));
    const metrics = await (await fetch(`${a.url}/metrics`)).text();
    assert.match(metrics, /tunnels_total\{reason="evicted"\} 3\n/);
    assert.match(metrics, /^khala_relay_tunnels 32$/m);
  });

  it('reads no more from the other end than who waits reads, and ends where that one does not', async () => {
    const [count, size] = [400, 200_000];
    let held = (): number => 0;
    const lie = await lyingRelay(cleanup, (_, { socket }) => {
      const reply = encodeRelayFrame({ type: 'reply', id: 9, cursor: 1n, signedEnvelope: new Uint8Array(size) });
      for (let n = 0; n < count; n++) socket.send(reply);
      held = () => socket.bufferedAmount;
    });
    const a = await start([lie.url], { limits: { maxBufferedBytes: 2 ** 18, slowReaderMs: 1_000 } });
    const raw = await tunnel(a.url, lie.url);
    raw.socket.pause();
    raw.send({ type: 'challenge-me', id: 1 });
    let least = Infinity;
    await until(async () => {
      least = Math.min(least, held() || Infinity);
      const metrics = await (await fetch(`${a.url}/metrics`)).text();
      return metrics.includes('tunnels_total{reason="slow-reader"} 1');
    });
    // The rest of it lies with who said it, beside what the system holds of four sockets.
    assert.ok(least > (count * size) / 2, `${least} bytes`);
  });

  /** From now on names are asked for, and answered when that is said. */
  const silentNames = () => {
    const { resolve4, resolve6 } = Resolver.prototype;
    cleanup.add(Resolver.prototype, (prototype) => Object.assign(prototype, { resolve4, resolve6 }));
    const asked: string[] = [];
    const answers: (() => void)[] = [];
    const silent = (name: string) => {
      asked.push(name);
      return new Promise<string[]>((resolve) =>
        answers.push(() => {
          resolve([]);
        }),
      );
    };
    Object.assign(Resolver.prototype, { resolve4: silent, resolve6: () => Promise.resolve([]) });
    return { asked, answers };
  };

  it('asks for names of endpoints only while there is room for who asks', async () => {
    const { asked, answers } = silentNames();
    const endpoints = Array.from({ length: 6 }, (_, n) => `http://silent-${n}.example`);
    // Two of one address.
    const a = await start(endpoints, { limits: { maxTunnels: 16 } });
    const first = endpoints.slice(0, 2).map((endpoint) => refusal(a.url, queryOf(endpoint)).catch(() => 101));
    await until(() => asked.length === 2);
    for (const endpoint of endpoints.slice(2)) assert.equal(await refusal(a.url, queryOf(endpoint)), 503);
    assert.equal(asked.length, 2);
    // Those have their places.
    for (const answer of answers) answer();
    assert.deepEqual(await Promise.all(first), [101, 101]);
  });

  it('is not kept from others by those who wait for the name of an endpoint: who has the most waits no longer', async () => {
    const { asked, answers } = silentNames();
    const b = await far();
    const silent = Array.from({ length: 16 }, (_, n) => `http://silent-${n}.example`);
    const a = await start([b.url, ...silent], { limits: { maxTunnels: 16 } });
    const hogs: Promise<number | undefined>[] = [];
    for (const [n, endpoint] of silent.entries()) {
      hogs.push(refusal(a.url, queryOf(endpoint), `127.0.0.${2 + (n >> 1)}`).catch(() => 101));
      await until(() => asked.length === n + 1);
    }
    const { open, isRefused } = openerAt(a.url, b.url);
    await (await open('127.0.0.10')).challenge();
    assert.equal(await hogs[0], 503);
    assert.equal(await isRefused('127.0.0.10'), true);
    for (const answer of answers) answer();
    const others = await Promise.all(hogs.slice(1));
    assert.ok(others.every((status) => status === 101));
  });

  it('is one alone that gives way, where all places are taken and those to that address, too', async () => {
    const { asked } = silentNames();
    const b = await far();
    const silent = Array.from({ length: 8 }, (_, n) => `http://silent-${n}.example`);
    const a = await start([b.url, ...silent], { limits: { maxTunnels: 72 } });
    const { open } = openerAt(a.url, b.url);
    const sockets: RawSocket[] = [];
    for (let host = 2; host < 10; host++) for (let n = 0; n < 8; n++) sockets.push(await open(`127.0.0.${host}`));
    // The last of them has the most in all, and no more than the others to that address.
    for (const [n, endpoint] of silent.entries()) {
      void refusal(a.url, queryOf(endpoint), `127.0.0.${9 + n}`).catch(() => 101);
      await until(() => asked.length === n + 1);
    }
    await (await open('127.0.0.20')).challenge();
    await ended(sockets[0]);
    await Promise.all(sockets.slice(1).map((raw) => raw.challenge()));
  });
});
