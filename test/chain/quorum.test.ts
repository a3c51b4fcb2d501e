import assert from 'node:assert/strict';
import fc from 'fast-check';
import { connectChain, type Chain, type HeadEvent } from '../../src/chain/index.ts';
import { votersAgainst, winnerOf } from '../../src/chain/quorum/count-votes.ts';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { watchWorkerState } from '../../src/worker-state/index.ts';
import { useEndpoints } from '../support/endpoints.ts';
import { inventBranch } from '../support/invented-branch.ts';
import { Refusal, type RpcProxy } from '../support/rpc-proxy.ts';
import { assertNewest, describeOnChains, type StartedChain } from '../support/shared-chain.ts';
import { until } from '../support/until.ts';
import { isChain, record, utf8, withCode } from './support.ts';
import { startProxy } from './tcp-proxy.ts';

const agreed = { agreed: true, from: 0 } as const;
const named: string[] = [];
const logger = {
  debug: () => undefined,
  warn: (fields: object, text: string) => void named.push(`${text}: ${JSON.stringify(fields)}`),
};

/** Whether a block was given. */
const has =
  (hash: Hex) =>
  (events: readonly HeadEvent[]): boolean =>
    events.some(({ head }) => head.hash === hash);

describeOnChains('finalized blocks that several endpoints agree on', { workers: 3 }, (node) => {
  const { proxy, connect } = useEndpoints(() => node.ws, { logger });
  beforeEach(() => void named.splice(0));
  /** Says that a block that it made up is finalized, which hashes and has a number far above all others. */
  async function farAhead(number: number): Promise<RpcProxy> {
    const branch = inventBranch({ number: number - 1, hash: `0x${'12'.repeat(32)}` });
    const header = branch.next();
    const [hash] = branch.hashes;
    return proxy((method, [asked], result) => {
      if (method === 'chain_getFinalizedHead') return hash;
      return method === 'chain_finalizedHead' || (method === 'chain_getHeader' && asked === hash) ? header : result;
    });
  }

  /** That it is the newest that the node had finalized, or one that came since. */
  const assertAgreed = async (chain: Chain, newest: number): Promise<void> => {
    const { number, hash } = await chain.agreedHead();
    await using alone = await connectChain({ endpoints: [node.ws] });
    assert.equal(hash, (await alone.headAt(number))?.hash);
    assert.ok(number >= newest);
  };

  it('are those that one endpoint gives, where there is one', async () => {
    const chain = await connect([node.ws, node.ws]);
    assert.equal(chain.trust, 'single');
    using heads = record(chain.finalizedHeads$(agreed));
    const { number, hash } = await node.newest();
    await heads.until(has(hash));
    assert.ok(isChain(heads.values));
    await assertAgreed(chain, number);
  });

  it('are given once, in order, linked, as soon as they agree', async () => {
    const chain = await connect([node.ws, (await proxy()).ws]);
    assert.equal(chain.trust, 'quorum');
    using heads = record(chain.finalizedHeads$(agreed));
    const first = await node.grow(3);
    await heads.until(has(first.hash));
    const { number, hash } = await node.grow(3);
    await heads.until(has(hash));
    assert.ok(isChain(heads.values));
    assert.equal(heads.values[number]?.head.hash, hash);
    await assertAgreed(chain, number);
  });

  it('wait for an endpoint that is behind, and are not held up by one that claims to be ahead', async () => {
    const { hash: old } = await node.newest();
    const behind = await proxy((method, _, result) => (method === 'chain_getFinalizedHead' ? old : result));
    const ahead = await farAhead(65_000);
    const { hash } = await node.grow();
    const chain = await connect([node.ws, behind.ws, ahead.ws], { quorum: 3 });
    using heads = record(chain.finalizedHeads$({ agreed: true }));
    await heads.until(({ length }) => length === 1);
    assert.equal(heads.values[0]?.head.hash, old);
    behind.alter = (_method, _params, result) => result;
    await heads.until(has(hash));
    assert.ok(isChain(heads.values));
  });

  it('go on where as many endpoints as must agree claim to be far ahead, each in its own way', async () => {
    const honest = [await proxy(), await proxy(), await proxy()];
    // Later than the liars: those who must agree could be these two.
    for (const each of honest)
      each.hold = (method) =>
        method === 'chain_getFinalizedHead' ? new Promise((resolve) => setTimeout(resolve, 50)) : undefined;
    const liars = [(await farAhead(1_000)).ws, (await farAhead(70_000)).ws];
    const among = await connect([...honest.map(({ ws }) => ws), ...liars], { quorum: 2 });
    using given = record(among.finalizedHeads$({ agreed: true }));
    await given.until(({ length }) => length > 0);
    for (let block = 0; block < 3; block++) {
      const { hash } = await node.grow();
      await given.until(has(hash));
    }
    assert.ok(isChain(given.values));
  });

  for (const [what, odd] of [
    ['does not have the hash that it gives', '0xffff'],
    ['has no number that a header can have', '0xffffffff'],
  ])
    it(`leave one whose finalized header ${what}, though another one is in use`, async () => {
      const liar = await proxy();
      const chain = await connect([node.ws, (await proxy()).ws, liar.ws], { quorum: 2 });
      liar.alter = (method, _, result) =>
        method === 'chain_getHeader' ? { ...(result as object), number: odd } : result;
      const isLeft = (): boolean => chain.nodeFaults.some(({ url, isLeft }) => url === liar.ws && isLeft);
      const { number } = await node.newest();
      await until(async () => {
        await assertAgreed(chain, number);
        return isLeft();
      });
    });

  it('are none where so many endpoints were left that too few remain', async () => {
    const lies = await proxy((method, _, result) => (method === 'state_getReadProof' ? { proof: ['0x00'] } : result));
    const chain = await connect([lies.ws, node.ws]);
    await using watch = watchWorkerState(chain, { verify: true });
    using changes = record(watch.changes$);
    await assert.rejects(watch.ready, withCode('no-quorum'));
    await assert.rejects(
      changes.until(() => false),
      withCode('no-quorum'),
    );
  });

  it('are linked by hash where a node gives another block for a number: it is left', async () => {
    const { number, hash } = await node.grow(4);
    const wrong = number - 2;
    const lies = await proxy((method, [asked], result) => {
      if (method !== 'chain_getBlockHash' || !Array.isArray(asked)) return result;
      const hashes = result as Hex[];
      return hashes.with((asked as number[]).indexOf(wrong), node.genesisHash);
    });
    const chain = await connect([lies.ws, node.ws, (await proxy()).ws]);
    using heads = record(chain.finalizedHeads$(agreed));
    await heads.until(has(hash));
    assert.ok(isChain(heads.values));
    assert.ok(named.some((line) => line.includes('is left') && line.includes(lies.ws)));
  });

  it('are not decoded where one of two gives no metadata: WorkerState says what each of them said', async () => {
    const mute = await proxy();
    const chain = await connect([node.ws, mute.ws], { timeoutMs: 1_000 });
    mute.refuse = (method) => (method === 'state_getMetadata' ? new Refusal('Method not found') : undefined);
    await using watch = watchWorkerState(chain, { verify: true });
    await assert.rejects(watch.ready, withCode('no-quorum', 'metadata', mute.ws, 'Method not found', node.ws));
  });

  it('say in the state of WorkerState how far they are trusted', async () => {
    const [one, two] = [await connect([node.ws]), await connect([node.ws, (await proxy()).ws])];
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
});

describeOnChains(
  'finalized blocks that several endpoints agree on, one of which has others',
  { workers: 3 },
  (node) => {
    /** Another chain of the same genesis, further than that of the node. */
    let liar: StartedChain;
    before(async () => {
      await node.grow(5);
      liar = await node.startRival();
      assert.equal(node.genesisHash, liar.genesisHash);
    });
    after(() => liar[Symbol.asyncDispose]());
    const { proxy, connect } = useEndpoints(() => node.ws, { logger });
    beforeEach(() => void named.splice(0));
    for (const at of [0, 1, 2])
      it(`are never those of a branch that one of three made up, given in place ${at + 1}: it is named and left`, async () => {
        const endpoints = [node.ws, (await proxy()).ws].toSpliced(at, 0, liar.ws);
        const chain = await connect(endpoints);
        using heads = record(chain.finalizedHeads$(agreed));
        const last = await node.newest();
        await heads.until(has(last.hash));
        assert.ok(isChain(heads.values));
        assert.equal(heads.values[last.number]?.head.hash, last.hash);
        const isNamed = (): boolean => named.some((line) => line.includes('is left') && line.includes(liar.ws));
        while (!isNamed()) await chain.agreedHead();
        const before = await node.newest();
        await assertNewest(node, await chain.finalizedHead(), before);
      });

    it('are none where two endpoints disagree: both are named', async () => {
      const chain = await connect([node.ws, liar.ws]);
      const says = withCode('endpoints-disagree', node.ws, liar.ws);
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

    it('begin with the newest one, not with that of an endpoint which is far behind and answers first', async () => {
      const old = await proxy();
      const { hash } = await node.newest();
      old.alter = (method, _, result) => (method === 'chain_getFinalizedHead' ? hash : result);
      const newest = await node.grow(10);
      const slow = [await proxy(), await proxy()];
      for (const each of slow)
        each.hold = (method) =>
          method === 'chain_getFinalizedHead' ? new Promise((resolve) => setTimeout(resolve, 100)) : undefined;
      const chain = await connect([...slow.map(({ ws }) => ws), old.ws], { quorum: 2 });
      for (let times = 0; times < 3; times++) await assertNewest(node, await chain.agreedHead(), newest);
      using heads = record(chain.finalizedHeads$({ agreed: true }));
      await heads.until(({ length }) => length > 0);
      await assertNewest(node, heads.values[0]!.head, newest);
    });

    it('are not given on the word of the only endpoint that answers', async () => {
      await using gone = await startProxy(node.ws);
      const chain = await connect([node.ws, gone.ws], { timeoutMs: 500 });
      using heads = record(chain.finalizedHeads$({ agreed: true }));
      await heads.until(({ length }) => length > 0);
      gone.close();
      gone.cut();
      const says = withCode('no-quorum', gone.ws);
      await assert.rejects(chain.agreedHead(), says);
      using later = record(chain.finalizedHeads$(agreed));
      await assert.rejects(
        later.until(() => false),
        says,
      );
      const { length } = heads.values;
      const { hash } = await node.grow(3);
      assert.equal(heads.values.length, length);
      gone.open();
      await heads.until(has(hash));
      assert.ok(isChain(heads.values));
    });

    it('are given where the node in use is behind and on a fork, which it is not left for', async () => {
      await using fork = await node.startRival({ isNeverFinal: true, blocks: 40 });
      const honest = await proxy();
      const chain = await connect([fork.ws, node.ws, honest.ws], { silenceMs: 200 });
      using heads = record(chain.finalizedHeads$(agreed));
      const { number, hash } = await node.newest();
      await heads.until(has(hash));
      const topics = [utf8('nothing')];
      const blocks = chain.messages.follow({ number: 0, hash: node.genesisHash }, { topics, verify: true });
      for await (const span of blocks) if (span.through.number >= number) break;
      assert.ok(isChain(heads.values));
      assert.ok(!named.some((line) => line.includes('is left')), named.join());
    });
  },
);

describe('a quorum', () => {
  for (const [quorum, count] of [
    [0, 1],
    [1.5, 2],
    [2, 1],
    [3, 2],
  ] as const)
    it(`is refused where it is of ${quorum} with ${count} endpoint(s)`, () =>
      assert.rejects(
        connectChain({ endpoints: ['ws://127.0.0.1:9', 'ws://127.0.0.1:8'].slice(0, count), quorum }),
        withCode('bad-quorum'),
      ));
});

describe('finalized blocks that several endpoints of the embedded chain agree on', () => {
  const { proxy, connect } = useEndpoints(() => '', { logger });

  it('are waited for where a snapshot has to be begun anew while too few endpoints answer', async () => {
    await using own = await startDevChain({ workers: 1_500 });
    await own.newBlock({ count: 3 });
    const one = await proxy(undefined, own.ws);
    const two = await proxy(undefined, own.ws);
    const timeoutMs = 1_000;
    const chain = await connect([one.ws, two.ws], { timeoutMs });
    let goOn: () => void = () => undefined;
    const pruned = new Promise<void>((resolve) => (goOn = resolve));
    let pages = 0;
    one.hold = (method, [keys]) => {
      const isPage = method === 'state_getReadProof' && Array.isArray(keys) && keys.length > 100;
      return isPage && ++pages > 1 ? pruned : undefined;
    };
    await using watch = watchWorkerState(chain, { verify: true });
    await until(() => pages > 1);
    await own.newBlock({ count: 3 });
    own.pruneBefore(own.head.number);
    two.isClosed = true;
    two.cut();
    goOn();
    // Longer than it takes until there is no quorum for who does not wait.
    await new Promise((resolve) => setTimeout(resolve, 2 * timeoutMs));
    two.isClosed = false;
    await watch.ready;
    assert.equal(watch.state.size, 1_500);
    assert.equal(watch.state.at.hash, own.finalized.hash);
  });
});

describeOnChains(
  'best blocks above those that several endpoints agree on',
  { workers: 3, isNeverFinal: true },
  (node) => {
    const { proxy, connect } = useEndpoints(() => node.ws, { logger });

    it('let WorkerState follow them where an endpoint is always one block behind', async () => {
      let head = await node.grow(3);
      const behind = await proxy((method, params, result) => {
        if (params.at(-1) !== head.hash) return result;
        if (method.startsWith('state_'))
          return new Refusal('UnknownBlock: Header was not found in the database', 4_003);
        return method.startsWith('chain_') ? null : result;
      });
      const chain = await connect([node.ws, behind.ws]);
      await using watch = watchWorkerState(chain, { verify: true, finality: 'best' });
      const ready = watch.ready.then(() => true);
      const later = (): Promise<boolean> => new Promise((resolve) => setTimeout(resolve, 1_500, false));
      for (let blocks = 0; blocks < 12; blocks++) {
        head = await node.grow();
        if (await Promise.race([ready, later()])) break;
      }
      await watch.ready;
      assert.equal(watch.state.size, 3);
    });
  },
);

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
