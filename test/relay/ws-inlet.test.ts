import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, it } from 'mocha';
import { BodyBudget } from '../../src/relay/body-budget.ts';
import { encodeClientFrame, type ClientFrame } from '../../src/relay/client-frames.ts';
import { WsInlet, type InletOwner } from '../../src/relay/ws-inlet.ts';
import { bundled } from '../support/bundle.ts';
import { until } from '../support/until.ts';
import { RawSocket } from './raw-socket.ts';
import { alice, bob, Cleanup, message } from './support.ts';
import { upgrade, wire } from './wire.ts';

const cleanup = new Cleanup();

/** Connected from an address of this machine, with the first frame read. */
async function dial(url: string, localAddress = '127.0.0.2'): Promise<Socket & { isOver: boolean; received: number }> {
  const made = connect({ port: Number(new URL(url).port), host: '127.0.0.1', localAddress });
  const socket = Object.assign(made, { isOver: false, received: 0 });
  cleanup.add(socket, () => socket.destroy());
  socket.on('error', () => undefined).on('close', () => (socket.isOver = true));
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += text.length < 1_000 ? chunk.toString('latin1') : '';
    socket.received += chunk.length;
  });
  socket.write(upgrade);
  await until(() => /\r\n\r\n[^]+/.test(text) || socket.isOver);
  return socket;
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`khala_relay_${name} `));
  return Number(line?.split(' ').at(-1) ?? 0);
}

describe('relay: what comes in over a WebSocket', () => {
  afterEach(() => cleanup.run());

  const rate = { perSecond: 0.001, burst: 20 };
  const floods: Readonly<Record<string, (n: number) => ClientFrame>> = {
    'messages that do not decode': (id) => ({ type: 'send', id, signedEnvelope: new Uint8Array(3) }),
    challenges: (id) => ({ type: 'challenge-me', id }),
    'questions without a proof': (id) => ({ type: 'await-reply', id, senderKey: new Uint8Array(32), after: 0n }),
  };

  for (const [name, frame] of Object.entries(floods))
    it(`waits past the rate of its address, unanswered and at no cost: ${name}`, async () => {
      const relay = await cleanup.relay({ limits: { perAddress: rate, window: 10_000 } });
      const socket = await dial(relay.url);
      const before = socket.received;
      const answer = await answerLength(relay.url, frame(1));
      const frames = Array.from({ length: 1_000 }, (_, n) => wire(encodeClientFrame(frame(n + 1))));
      socket.write(Buffer.concat(frames));
      const most = before + 20 * answer;
      await until(() => socket.received >= most);
      const other = await RawSocket.open(relay.url, cleanup);
      other.send({ type: 'send', id: 1, signedEnvelope: message(alice, bob).bytes });
      await other.next('receipt');
      assert.equal(socket.received, most);
      assert.equal(socket.isOver, false);
    });

  it('goes on with what waited when the address may again, in order and nothing lost', async () => {
    const relay = await cleanup.relay({ limits: { perAddress: { perSecond: 500, burst: 10 } } });
    const raw = await RawSocket.open(relay.url, cleanup);
    const sent = Array.from({ length: 100 }, (_, n) => message(alice, bob, { text: `${n}` }));
    sent.forEach(({ bytes }, n) => {
      raw.send({ type: 'send', id: n + 1, signedEnvelope: bytes });
    });
    await raw.next('receipt', 99);
    const kept = await relay.mailStore.read(bob.identity, 0n);
    assert.deepEqual(
      kept.map(({ messageId }) => messageId),
      sent.map(({ id }) => id),
    );
  });

  it('takes sixteen acknowledgements, credits or pings for one message, and no more than the rate', async () => {
    const relay = await cleanup.relay({ limits: { perAddress: rate } });
    const socket = await dial(relay.url);
    const before = socket.received;
    socket.write(Buffer.concat(Array.from({ length: 5_000 }, () => wire(new Uint8Array(), { opcode: 0x89 }))));
    // A pong without anything in it.
    await until(() => socket.received >= before + 20 * 16 * 2);
    await RawSocket.open(relay.url, cleanup);
    assert.equal(socket.received, before + 20 * 16 * 2);
  });

  it('goes on after a flood of pings when all of them are paid for', async () => {
    const seen = { paid: 0, asked: 0, pongs: 0, holds: 0 };
    const owner: InletOwner = {
      charge: (units) => {
        seen.asked += 1;
        // Not before it is asked for the third time.
        if (seen.asked < 3) return 1;
        seen.paid += units;
        return 0;
      },
      take: () => undefined,
      pong: () => (seen.pongs += 1),
      inletHeld: () => (seen.holds += 1),
      inletFull: () => undefined,
    };
    const inlet = new WsInlet(owner, { budget: new BodyBudget(1_000, 1_000), key: 'x' });
    for (let n = 0; n < 1_600; n++) inlet.control(0, Buffer.alloc(0));
    await until(() => !inlet.isHeld);
    assert.deepEqual(seen, { paid: 100, asked: 3, pongs: 1, holds: 2 });
  });

  it('answers a ping with bytes of its own, at once and late: what was read with it is not kept for as long', async () => {
    const [first, second] = [Buffer.alloc(65_536, 1), Buffer.alloc(65_536, 2)];
    const pongs: Buffer[] = [];
    const owner: InletOwner = {
      charge: () => (pongs.length === 1 && !inlet.isHeld ? 1 : 0),
      take: () => undefined,
      pong: (data) => pongs.push(data),
      inletHeld: () => undefined,
      inletFull: () => undefined,
    };
    const inlet: WsInlet = new WsInlet(owner, { budget: new BodyBudget(1_000, 1_000), key: 'x' });
    for (const read of [first, second]) inlet.control(8, read.subarray(0, 8));
    await until(() => pongs.length === 2);
    assert.deepEqual(pongs, [first.subarray(0, 8), second.subarray(0, 8)]);
    for (const { buffer } of pongs) assert.ok(buffer !== first.buffer && buffer !== second.buffer);
  });

  it('has memory for messages that are not whole, of all and of one address, and no more', async () => {
    const limits = { maxMessageBytes: 100_000, maxPendingBytes: 1_600_000, maxConnectionsPerAddress: 100 };
    const relay = await cleanup.relay({ limits });
    const begin = wire(new Uint8Array(90_000), { announced: 100_000 });
    const sockets = await Promise.all(Array.from({ length: 6 }, () => dial(relay.url)));
    for (const socket of sockets) socket.write(begin);
    await until(() => sockets.filter(({ isOver }) => isOver).length === 4);
    assert.equal(await metric(relay.url, 'connections_closed_total{reason="relay-busy"}'), 4);
    const raw = await RawSocket.open(relay.url, cleanup);
    for (let n = 1; n <= 10; n++) {
      raw.send({ type: 'send', id: n, signedEnvelope: message(alice, bob, { size: 90_000 }).bytes });
      await raw.next('receipt', n - 1);
    }
  });

  it('counts what a message takes that comes in a thousand pieces', async () => {
    const limits = { maxMessageBytes: 100_000, maxPendingBytes: 1_600_000 };
    const relay = await cleanup.relay({ limits });
    const socket = await dial(relay.url);
    socket.setNoDelay(true).write(wire(new Uint8Array(), { announced: 100_000 }));
    for (let n = 0; n < 3_000 && !socket.isOver; n++) {
      socket.write(Buffer.of(0));
      await new Promise(setImmediate);
    }
    await until(() => socket.isOver);
    assert.equal(await metric(relay.url, 'connections_closed_total{reason="relay-busy"}'), 1);
  }).timeout(60_000);

  it('has memory for frames that wait for their address, however short, and no more', async () => {
    const limits = { maxMessageBytes: 4_000, maxPendingBytes: 1_600_000, perAddress: { perSecond: 0.001, burst: 1 } };
    const relay = await cleanup.relay({ limits });
    // 2 000 of 5 bytes and 256 beside them, in one read; an address has 200 000.
    const frames = Buffer.concat(Array.from({ length: 2_000 }, () => wire(Buffer.of(2, 1, 0, 0, 0))));
    const sockets = [await dial(relay.url), await dial(relay.url)];
    for (const socket of sockets) socket.write(frames);
    await until(() => sockets.every(({ isOver }) => isOver));
    assert.equal(await metric(relay.url, 'connections_closed_total{reason="relay-busy"}'), 2);
    const few = await dial(relay.url);
    few.write(frames.subarray(0, 11 * 100));
    await RawSocket.open(relay.url, cleanup);
    assert.equal(few.isOver, false);
  });

  it('is cut where a message does not end, though pongs come between its parts', async () => {
    const relay = await cleanup.relay({ limits: { pingIntervalMs: 100 } });
    const socket = await dial(relay.url);
    socket.write(wire(new Uint8Array(10), { opcode: 0x02 }));
    const alive = setInterval(() => socket.write(wire(new Uint8Array(), { opcode: 0x8a })), 20);
    cleanup.add(alive, clearInterval);
    await until(() => socket.isOver);
    assert.equal(await metric(relay.url, 'connections_closed_total{reason="silent"}'), 1);
  });

  /** Bytes of the answer to one frame. */
  async function answerLength(url: string, frame: ClientFrame): Promise<number> {
    const socket = await dial(url, '127.0.0.3');
    const before = socket.received;
    socket.write(wire(encodeClientFrame(frame)));
    await until(() => socket.received > before);
    return socket.received - before;
  }
});

describe('relay: memory of a relay process', () => {
  afterEach(() => cleanup.run());

  const mebibyte = 2 ** 20;

  it('stays bounded by what is unfinished or unread, whatever a thousand connections begin', async () => {
    const program = await bundled(new URL('relay-child.ts', import.meta.url));
    const child = spawn(process.execPath, [program, await cleanup.folder(), '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    cleanup.add(child, () => child.kill('SIGKILL'));
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const url = line.toString().trim();
    const before = await residentOf(url);
    const part = wire(new Uint8Array(250_000), { announced: 262_000 });
    // From ten addresses, as from ten customers.
    for (let address = 2; address < 12; address++) {
      const sockets = await Promise.all(Array.from({ length: 100 }, () => dial(url, `127.0.0.${address}`)));
      for (const socket of sockets) socket.write(part);
    }
    await until(async () => (await metric(url, 'connections_closed_total{reason="relay-busy"}')) > 500);
    // 64 MiB of messages that are not whole, and what a thousand connections take.
    const grown = ((await residentOf(url)) - before) / mebibyte;
    assert.ok(grown < 200, `${grown} MiB`);
  }).timeout(120_000);

  async function residentOf(url: string): Promise<number> {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
  }
});
