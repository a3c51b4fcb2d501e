import assert from 'node:assert/strict';
import { systemClock } from '../../../src/chain/index.ts';
import { silentLogger } from '../../../src/chain/logger.ts';
import { Canvass } from '../../../src/chain/quorum/canvass.ts';
import { Connection } from '../../../src/chain/rpc/connection.ts';
import { startDevChain, type DevChain } from '../../../src/dev-chain/index.ts';
import { OtherEndpoints } from '../../../src/chain/rpc/other-endpoints.ts';
import { RelayError } from '../../../src/errors/index.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { Refusal, startRpcProxy, type RpcProxy } from '../../support/rpc-proxy.ts';
import { until } from '../../support/until.ts';
import { withCode } from '../support.ts';

const lies = (url: string): RelayError => new RelayError('node-lies', { details: { url, block: 7, reason: 'a test' } });

describe('Connection', () => {
  let dev: DevChain;
  let one: RpcProxy;
  let two: RpcProxy;
  let connection: Connection;
  before(async () => {
    dev = await startDevChain();
  });
  beforeEach(async () => {
    one = await startRpcProxy(dev.ws);
    two = await startRpcProxy(dev.ws);
    const options = { genesisHash: undefined, timeoutMs: 10_000, quorum: 2, clock: systemClock, logger: silentLogger };
    connection = await Connection.open({ ...options, endpoints: [one.ws, two.ws], backoff: { minMs: 10 } }, undefined);
  });
  afterEach(async () => {
    connection.stop();
    await one[Symbol.asyncDispose]();
    await two[Symbol.asyncDispose]();
  });
  after(() => dev.stop());

  it('does not go on with an endpoint that was left while it was being connected to', async () => {
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    let isHeld = false;
    one.hold = () => {
      isHeld = true;
      return held;
    };
    two.isClosed = true;
    const session = await connection.session();
    assert.equal(session.socket.url, one.ws);
    connection.replace(session, 'a test');
    await until(() => isHeld);
    connection.leave(one.ws, lies(one.ws));
    two.isClosed = false;
    letGo();
    assert.equal((await connection.session()).socket.url, two.ws);
    await connection.request('chain_getFinalizedHead');
    assert.equal((await connection.session()).socket.url, two.ws);
  });

  it('takes it calmly that endpoints are left once it has ended because of another', async () => {
    connection.leave(one.ws, lies(one.ws));
    connection.leave(two.ws, lies(two.ws));
    assert.ok(withCode('node-lies')(connection.stopped.reason));
    connection.leave(one.ws, lies(one.ws));
    connection.leave('ws://127.0.0.1:9', lies('ws://127.0.0.1:9'));
    assert.equal(connection.present, undefined);
    connection.noteFinalized(7);
    await assert.rejects(connection.session(), withCode('node-lies'));
  });

  describe('with a clock that is held', () => {
    const backoff = { minMs: 10, maxMs: 200, random: () => 0.5 };
    /** Three quarters of each delay that doubles. */
    const expected = (attempts: number): number[] =>
      Array.from({ length: attempts }, (_, attempt) => 0.75 * Math.min(200, 10 * 2 ** attempt));
    let pauses: number[];
    let now: number;
    let held: Connection;
    const open = async (endpoints: readonly string[]): Promise<Connection> => {
      const clock = {
        now: () => now,
        sleep: async (ms: number, signal?: AbortSignal) => {
          pauses.push(ms);
          await systemClock.sleep(1, signal);
        },
      };
      const options = { genesisHash: undefined, timeoutMs: 10_000, quorum: 1, clock, logger: silentLogger, backoff };
      return (held = await Connection.open({ ...options, endpoints }, undefined));
    };
    beforeEach(() => {
      connection.stop();
      pauses = [];
      now = 1_000_000;
    });
    afterEach(() => {
      held.stop();
    });

    it('goes on to the healthiest of the others, not to the next one', async () => {
      await using three = await startRpcProxy(dev.ws);
      const ranked = await open([one.ws, two.ws, three.ws]);
      for (let failure = 0; failure < 3; failure++) ranked.health.failed(two.ws);
      one.isClosed = true;
      one.cut();
      await until(() => ranked.present?.url !== one.ws);
      assert.equal((await ranked.session()).socket.url, three.ws);
      assert.equal(two.asked.size, 0);
      // A failure counts half after a minute.
      now += 600_000;
      three.isClosed = true;
      three.cut();
      await until(() => ranked.present?.url !== three.ws);
      assert.equal((await ranked.session()).socket.url, two.ws);
    });

    it('pauses for longer and longer between attempts at endpoints that are away, with a share of chance', async () => {
      const alone = await open([one.ws]);
      one.isClosed = true;
      one.cut();
      await until(() => pauses.length >= 8);
      assert.deepEqual(pauses.slice(0, 8), expected(8));
      one.isClosed = false;
      assert.equal((await alone.session()).socket.url, one.ws);
      pauses = [];
      one.isClosed = true;
      one.cut();
      await until(() => pauses.length >= 2);
      assert.deepEqual(pauses.slice(0, 2), expected(2), 'it begins anew');
    });

    it('pauses so before an endpoint that accepts and drops again', async () => {
      const alone = await open([one.ws]);
      let dropped = 0;
      const dropping = alone.session$.subscribe(({ socket }) => {
        dropped += 1;
        socket.close('a test');
      });
      await until(() => pauses.length >= 5);
      dropping.unsubscribe();
      assert.deepEqual(pauses.slice(0, 5), expected(5));
      assert.ok(dropped >= 5);
    });
  });

  describe('of who waits for as long as it takes', () => {
    const patient = { patienceMs: Infinity };
    let warnings: string[];
    let alone: Connection;
    beforeEach(async () => {
      warnings = [];
      const logger = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) };
      const options = { genesisHash: undefined, timeoutMs: 10_000, quorum: 1, clock: systemClock, logger };
      const backoff = { minMs: 1, maxMs: 2 };
      alone = await Connection.open({ ...options, endpoints: [one.ws], backoff }, undefined);
    });
    afterEach(() => {
      alone.stop();
    });

    for (const code of [-32009, 429])
      it(`asks a node that is busy (${code}) until it is not, and warns meanwhile`, async () => {
        let left = 60;
        one.refuse = () => (left-- > 0 ? new Refusal('Busy', code) : undefined);
        assert.equal(await alone.request('chain_getFinalizedHead', [], patient), dev.finalized.hash);
        assert.ok(warnings.length > 1 && warnings.length < 30, `${warnings.length} warnings`);
      });

    it('takes it for the answer in the end that a node fails each time', async () => {
      let asked = 0;
      one.refuse = () => new Refusal(`Internal error ${asked++}`, -32603);
      await assert.rejects(alone.request('chain_getFinalizedHead', [], patient), /Internal error/);
      assert.ok(asked > 15, `${asked} times`);
      assert.ok(warnings.length > 1);
    });
  });

  describe('whose node breaks each connection of one request', () => {
    const method = 'system_chain';
    let now: number;
    let broken: number;
    let alone: Connection;
    beforeEach(async () => {
      now = 1_000_000;
      broken = 0;
      const clock = { now: () => now, sleep: (_: number, signal?: AbortSignal) => systemClock.sleep(1, signal) };
      const options = { genesisHash: undefined, timeoutMs: 10_000, quorum: 1, clock, logger: silentLogger };
      alone = await Connection.open({ ...options, endpoints: [one.ws], backoff: {} }, undefined);
    });
    afterEach(() => {
      alone.stop();
    });

    it('makes it again for as long as it waits for a connection, however often that breaks', async () => {
      one.fault = (passing) => {
        if (passing.method !== method || broken === 40) return undefined;
        broken += 1;
        now += 249;
        return { kind: 'cut' };
      };
      assert.equal(typeof (await alone.request(method)), 'string');
      assert.equal(broken, 40);
    });

    it('gives up when that time is over', async () => {
      one.fault = (passing) => {
        if (passing.method !== method) return undefined;
        broken += 1;
        if (broken > 1) now += 2_500;
        return { kind: 'cut' };
      };
      await assert.rejects(alone.request(method), withCode('chain-unreachable'));
      assert.equal(broken, 5);
    });

    it('tries at least three times, however slow it is', async () => {
      one.fault = (passing) => {
        if (passing.method !== method) return undefined;
        broken += 1;
        now += 20_000;
        return { kind: 'cut' };
      };
      await assert.rejects(alone.request(method), withCode('chain-unreachable'));
      assert.equal(broken, 3);
    });
  });

  it('asks one that others contradicted how far it is only ten minutes later', async () => {
    connection.stop();
    const clock = new ManualClock();
    two.alter = (method, _, result) =>
      method === 'chain_getHeader' ? { ...(result as object), number: '0xf4240' } : result;
    const options = { genesisHash: undefined, timeoutMs: 10_000, quorum: 2, clock, logger: silentLogger };
    connection = await Connection.open({ ...options, endpoints: [one.ws, two.ws], backoff: { minMs: 10 } }, undefined);
    const others = new OtherEndpoints(connection);
    assert.equal(await others.furthestBest(), 1_000_000);
    connection.doubt(two.ws, new RelayError('endpoints-disagree', { details: { about: 'a test', said: '' } }), []);
    assert.equal(await others.furthestBest(), 0);
    clock.advance(600_000);
    assert.equal(await others.furthestBest(), 1_000_000);
  });

  it('is not troubled by a vote that comes in when all is over', async () => {
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', onUnhandled);
    let answer: (vote: number) => void = () => undefined;
    const lateVote = new Promise<number>((resolve) => (answer = resolve));
    let late = 0;
    const winner = await new Canvass(connection, systemClock, 1).hold<number, number>({
      about: 'a test',
      ask: (url) => (url === one.ws ? Promise.resolve(1) : lateVote),
      decide: (votes) => votes.get(one.ws),
      late: () => {
        late += 1;
        connection.stop(lies(two.ws));
        connection.leave(two.ws, lies(two.ws));
        throw lies(two.ws);
      },
    });
    assert.equal(winner, 1);
    answer(2);
    await until(() => late === 1);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', onUnhandled);
    assert.deepEqual(unhandled, []);
  });
});
