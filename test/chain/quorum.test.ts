import assert from 'node:assert/strict';
import fc from 'fast-check';
import { connectChain, type Chain, type ConnectOptions } from '../../src/chain/index.ts';
import { votersAgainst, winnerOf } from '../../src/chain/quorum/count-votes.ts';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { watchWorkerState } from '../../src/worker-state/index.ts';
import { Refusal, startRpcProxy, type Alter, type RpcProxy } from '../support/rpc-proxy.ts';
import { isChain, record, utf8, withCode } from './support.ts';
import { startProxy } from './tcp-proxy.ts';

describe('finalized blocks that several endpoints agree on', () => {
  /** Another chain of the same genesis. */
  let liar: DevChain;
  let dev: DevChain;
  let dispose: AsyncDisposable[];
  const named: string[] = [];
  const logger = {
    debug: () => undefined,
    warn: (fields: object, text: string) => void named.push(`${text}: ${JSON.stringify(fields)}`),
  };
  before(async () => {
    dev = await startDevChain({ workers: 3 });
    liar = await startDevChain({ workers: 3 });
    await liar.newBlock({ count: 40, timestamp: Date.now() + 3_600_000 });
    await dev.newBlock({ count: 5 });
    assert.equal(dev.genesisHash, liar.genesisHash);
  });
  beforeEach(() => {
    dispose = [];
    named.splice(0);
  });
  afterEach(async () => {
    for (const each of dispose.reverse()) await each[Symbol.asyncDispose]();
  });
  after(async () => {
    await dev.stop();
    await liar.stop();
  });

  async function proxy(alter?: Alter): Promise<RpcProxy> {
    const started = await startRpcProxy(dev.ws, alter);
    dispose.push(started);
    return started;
  }
  async function connect(endpoints: readonly string[], options: Partial<ConnectOptions> = {}): Promise<Chain> {
    const backoff = { minMs: 10, maxMs: 50 };
    const chain = await connectChain({ endpoints, timeoutMs: 5_000, logger, backoff, ...options });
    dispose.push(chain);
    return chain;
  }
  const agreed = { agreed: true, from: 0 } as const;

  it('are those that one endpoint gives, where there is one', async () => {
    const chain = await connect([dev.ws, dev.ws]);
    assert.equal(chain.trust, 'single');
    using heads = record(chain.finalizedHeads$(agreed));
    await heads.until((events) => events.at(-1)?.head.hash === dev.finalized.hash);
    assert.ok(isChain(heads.values));
    assert.equal((await chain.agreedHead()).hash, dev.finalized.hash);
  });

  it('are given once, in order, linked, as soon as they agree', async () => {
    const chain = await connect([dev.ws, (await proxy()).ws]);
    assert.equal(chain.trust, 'quorum');
    using heads = record(chain.finalizedHeads$(agreed));
    await dev.newBlock({ count: 3 });
    await heads.until((events) => events.at(-1)?.head.hash === dev.finalized.hash);
    await dev.newBlock({ count: 3 });
    await heads.until((events) => events.at(-1)?.head.hash === dev.finalized.hash);
    assert.ok(isChain(heads.values));
    assert.equal(heads.values.length, dev.finalized.number + 1);
    assert.equal((await chain.agreedHead()).hash, dev.finalized.hash);
  });

  for (const at of [0, 1, 2])
    it(`are never those of a branch that one of three made up, given in place ${at + 1}: it is named and left`, async () => {
      const endpoints = [dev.ws, (await proxy()).ws].toSpliced(at, 0, liar.ws);
      const chain = await connect(endpoints);
      using heads = record(chain.finalizedHeads$(agreed));
      await heads.until((events) => events.at(-1)?.head.hash === dev.finalized.hash);
      assert.ok(isChain(heads.values));
      assert.equal(heads.values.length, dev.finalized.number + 1);
      const isNamed = (): boolean => named.some((line) => line.includes('is left') && line.includes(liar.ws));
      while (!isNamed()) await chain.agreedHead();
      assert.equal((await chain.finalizedHead()).hash, dev.finalized.hash);
    });

  it('are none where two endpoints disagree: both are named', async () => {
    const chain = await connect([dev.ws, liar.ws]);
    const says = withCode('endpoints-disagree', dev.ws, liar.ws);
    await assert.rejects(chain.agreedHead(), says);
    using heads = record(chain.finalizedHeads$(agreed));
    await assert.rejects(
      heads.until(() => false),
      says,
    );
    assert.deepEqual(heads.values, []);
    await using watch = watchWorkerState(chain, { verify: true });
    await assert.rejects(watch.ready, says);
    assert.equal(watch.state.size, 0);
  });

  it('wait for an endpoint that is behind, and are not held up by one that claims to be ahead', async () => {
    const old = dev.finalized.hash;
    const behind = await proxy((method, _, result) => (method === 'chain_getFinalizedHead' ? old : result));
    const ahead = await proxy((method, _, result) =>
      method === 'chain_getHeader' ? { ...(result as object), number: '0xffff' } : result,
    );
    await dev.newBlock();
    const chain = await connect([dev.ws, behind.ws, ahead.ws], { quorum: 3 });
    using heads = record(chain.finalizedHeads$({ agreed: true }));
    await heads.until(({ length }) => length === 1);
    assert.equal(heads.values[0]?.head.hash, old);
    behind.alter = (_method, _params, result) => result;
    await heads.until((events) => events.at(-1)?.head.hash === dev.finalized.hash);
    assert.ok(isChain(heads.values));
  });

  it('are not given on the word of the only endpoint that answers', async () => {
    await using gone = await startProxy(dev.ws);
    const chain = await connect([dev.ws, gone.ws], { timeoutMs: 500 });
    using heads = record(chain.finalizedHeads$({ agreed: true }));
    await heads.until(({ length }) => length === 1);
    gone.close();
    gone.cut();
    const says = withCode('no-quorum', gone.ws);
    await assert.rejects(chain.agreedHead(), says);
    using later = record(chain.finalizedHeads$(agreed));
    await assert.rejects(
      later.until(() => false),
      says,
    );
    await dev.newBlock();
    assert.equal(heads.values.length, 1);
    gone.open();
    await heads.until((events) => events.at(-1)?.head.hash === dev.finalized.hash);
    assert.equal(heads.values.length, 2);
  });

  it('are none where so many endpoints were left that too few remain', async () => {
    const lies = await proxy((method, _, result) => (method === 'state_getReadProof' ? { proof: ['0x00'] } : result));
    const chain = await connect([lies.ws, dev.ws]);
    await using watch = watchWorkerState(chain, { verify: true });
    using changes = record(watch.changes$);
    await assert.rejects(watch.ready, withCode('no-quorum'));
    await assert.rejects(
      changes.until(() => false),
      withCode('no-quorum'),
    );
  });

  it('are linked by hash where a node gives another block for a number: it is left', async () => {
    const wrong = dev.finalized.number - 2;
    const lies = await proxy((method, [asked], result) => {
      if (method !== 'chain_getBlockHash' || !Array.isArray(asked)) return result;
      const hashes = result as Hex[];
      return hashes.with((asked as number[]).indexOf(wrong), dev.genesisHash);
    });
    const chain = await connect([lies.ws, dev.ws, (await proxy()).ws]);
    using heads = record(chain.finalizedHeads$(agreed));
    await heads.until((events) => events.at(-1)?.head.hash === dev.finalized.hash);
    assert.ok(isChain(heads.values));
    assert.ok(named.some((line) => line.includes('is left') && line.includes(lies.ws)));
  });

  it('are given where the node in use is behind and on a fork, which it is not left for', async () => {
    await using fork = await startDevChain({ workers: 3, finalityLag: 1_000 });
    await fork.newBlock({ count: 40, timestamp: Date.now() + 7_200_000 });
    assert.equal(fork.genesisHash, dev.genesisHash);
    const honest = await proxy();
    const chain = await connect([fork.ws, dev.ws, honest.ws], { silenceMs: 200 });
    using heads = record(chain.finalizedHeads$(agreed));
    await heads.until((events) => events.at(-1)?.head.hash === dev.finalized.hash);
    const topics = [utf8('nothing')];
    const blocks = chain.messages.follow({ number: 0, hash: dev.genesisHash }, { topics, verify: true });
    for await (const span of blocks) if (span.through.number === dev.finalized.number) break;
    assert.ok(isChain(heads.values));
    assert.ok(!named.some((line) => line.includes('is left')), named.join());
  });

  it('let WorkerState follow best blocks where an endpoint is always one block behind', async () => {
    await using ahead = await startDevChain({ workers: 3, finalityLag: 3 });
    await ahead.newBlock({ count: 3 });
    await using behind = await startRpcProxy(ahead.ws, (method, params, result) => {
      if (params.at(-1) !== ahead.head.hash) return result;
      if (method.startsWith('state_')) return new Refusal('UnknownBlock: Header was not found in the database', 4_003);
      return method.startsWith('chain_') ? null : result;
    });
    const chain = await connect([ahead.ws, behind.ws]);
    await using watch = watchWorkerState(chain, { verify: true, finality: 'best' });
    const ready = watch.ready.then(() => true);
    const later = (): Promise<boolean> => new Promise((resolve) => setTimeout(resolve, 1_500, false));
    for (let blocks = 0; blocks < 12; blocks++) {
      await ahead.newBlock();
      if (await Promise.race([ready, later()])) break;
    }
    await watch.ready;
    assert.equal(watch.state.size, 3);
  });

  it('say in the state of WorkerState how far they are trusted', async () => {
    const [one, two] = [await connect([dev.ws]), await connect([dev.ws, (await proxy()).ws])];
    for (const [chain, verify, trust] of [
      [one, true, 'single'],
      [two, undefined, 'single'],
      [two, true, 'quorum'],
    ] as const) {
      await using watch = watchWorkerState(chain, verify === undefined ? {} : { verify });
      await watch.ready;
      assert.equal(watch.stats.trust, trust);
    }
  });

  for (const [quorum, count] of [
    [0, 1],
    [1.5, 2],
    [2, 1],
    [3, 2],
  ] as const)
    it(`refuse a quorum of ${quorum} with ${count} endpoint(s)`, () =>
      assert.rejects(
        connectChain({ endpoints: ['ws://127.0.0.1:9', 'ws://127.0.0.1:8'].slice(0, count), quorum }),
        withCode('bad-quorum'),
      ));
});

describe('votes', () => {
  it('elect what a quorum has and nothing has as often, and only that', () => {
    const vote = fc.tuple(fc.nat(6).map(String), fc.constantFrom<Hex>('0xa', '0xb', '0xc'));
    fc.assert(
      fc.property(fc.array(vote), fc.integer({ min: 1, max: 5 }), (list, size) => {
        const votes = new Map(list);
        const winner = winnerOf(votes, size);
        const count = (hash: Hex): number => [...votes.values()].filter((each) => each === hash).length;
        const hashes = ['0xa', '0xb', '0xc'] as const;
        const best = hashes.filter(
          (hash) => count(hash) >= size && hashes.every((o) => o === hash || count(o) < count(hash)),
        );
        assert.deepEqual(winner === undefined ? [] : [winner], best);
        if (winner !== undefined) assert.equal(votersAgainst(votes, winner).length, votes.size - count(winner));
      }),
    );
  });
});
