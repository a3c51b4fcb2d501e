import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, it } from 'mocha';
import { isRelayError } from '../../src/errors/index.ts';
import { BodyBudget } from '../../src/relay/body-budget.ts';
import { until } from '../support/until.ts';
import { RawSocket } from './raw-socket.ts';
import { alice, bob, Cleanup, message } from './support.ts';

const isBusy = (error: unknown): boolean => isRelayError(error, 'relay-busy');

describe('relay: a budget of what is held', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it('gives one address an eighth', () => {
    const budget = new BodyBudget(800, 10);
    const lease = budget.lease('a');
    lease.grow(100);
    assert.throws(() => {
      lease.grow(1);
    }, isBusy);
    budget.lease('b').grow(100);
    lease.shrink(50);
    budget.lease('a').grow(50);
  });

  it('lets who holds less have of who holds the most, of that the largest, and not the other way round', () => {
    const budget = new BodyBudget(800, 10);
    const evicted: string[] = [];
    const hold = (address: string, bytes: number, name = address) => {
      const lease = budget.lease(address);
      lease.onEvicted = () => evicted.push(name);
      lease.grow(bytes);
      return lease;
    };
    for (const address of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) hold(address, 100);
    for (const bytes of [30, 50, 20]) hold('h', bytes, `h ${bytes}`);
    hold('i', 90);
    assert.deepEqual(evicted, ['a']);
    hold('j', 40);
    assert.equal(evicted.length, 2);
    // As much as any of them holds: it has to wait.
    assert.throws(() => hold('k', 100), isBusy);
    assert.equal(evicted.length, 2);
  });

  it('leaves alone what can not be let go of', () => {
    const budget = new BodyBudget(800, 10);
    for (let n = 0; n < 8; n++) budget.lease(`a ${n}`).grow(100);
    assert.throws(() => {
      budget.lease('b').grow(1);
    }, isBusy);
  });

  it('lets go of what it can, whoever holds more that it can not', () => {
    const budget = new BodyBudget(800, 10);
    const evicted: number[] = [];
    budget.lease('whole').grow(100);
    for (let n = 0; n < 7; n++) {
      const lease = budget.lease(`a ${n}`);
      lease.onEvicted = () => evicted.push(n);
      lease.grow(n === 6 ? 100 : 99.9);
    }
    budget.lease('b').grow(90);
    budget.lease('c').grow(50);
    assert.deepEqual(evicted, [6, 0]);
  });

  it('is never exceeded, and all of it is there again when all has ended', () => {
    const step = fc.record({ lease: fc.nat(30), bytes: fc.integer({ min: 1, max: 200 }), more: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const budget = new BodyBudget(1_000, 10);
        const held = new Map<number, number>();
        const leases = Array.from({ length: 31 }, (_, n) => {
          const lease = budget.lease(`address ${n % 12}`);
          lease.onEvicted = () => held.set(n, 0);
          return lease;
        });
        for (const { lease: n, bytes, more } of steps) {
          const now = held.get(n) ?? 0;
          try {
            if (more) leases[n]?.grow(bytes);
            else leases[n]?.shrink(bytes);
            held.set(n, more ? (held.get(n) ?? 0) + bytes : Math.max(0, now - bytes));
          } catch (error) {
            assert.ok(isBusy(error));
          }
          assert.ok([...held.values()].reduce((sum, each) => sum + each, 0) <= 1_000);
        }
        for (const lease of leases) lease.end();
        for (let n = 0; n < 8; n++) budget.lease(`after ${n}`).grow(125);
      }),
    );
  });

  it('is not kept by eight addresses whose bodies and messages do not end: others have room', async () => {
    const relay = await cleanup.relay({
      limits: { maxMessageBytes: 50_000, maxBodyBytes: 50_000, maxPendingBytes: 800_000 },
    });
    const { hostname, port } = new URL(relay.url);
    const sockets: Socket[] = [];
    const dial = async (localAddress: string, bytes: string): Promise<void> => {
      const socket = connect({ host: hostname, port: Number(port), localAddress });
      cleanup.add(socket, () => socket.destroy());
      socket.on('error', () => undefined).resume();
      await once(socket, 'connect');
      socket.write(bytes);
      sockets.push(socket);
    };
    const [post, upgrade] = [
      'POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\ncontent-length: 50000\r\n\r\n',
      'GET /v1/ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n',
    ];
    // Text frames of 50 000 bytes that are announced, masked with zeros, and not ended.
    const frame = String.fromCharCode(0x82, 0xfe, 0xc3, 0x50, 0, 0, 0, 0);
    const addresses = Array.from({ length: 8 }, (_, n) => `127.0.0.${n + 2}`);
    for (const address of addresses)
      for (let n = 0; n < 2; n++) {
        await dial(address, post + 'x'.repeat(49_000));
        await dial(address, upgrade);
        sockets.at(-1)?.write(Buffer.from(frame + '\0'.repeat(49_000), 'latin1'));
      }
    const raw = await RawSocket.open(relay.url, cleanup);
    for (let n = 1; n <= 5; n++) {
      raw.send({ type: 'send', id: n, signedEnvelope: message(alice, bob, { size: 40_000 }).bytes });
      await raw.next('receipt', n - 1);
      const answer = await fetch(`${relay.url}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: Uint8Array.from(message(alice, bob, { size: 40_000 }).bytes),
      });
      assert.equal(answer.status, 202);
    }
    await until(() => sockets.some(({ destroyed }) => destroyed));
  });
});
