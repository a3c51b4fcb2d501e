import assert from 'node:assert/strict';
import { hashHeader, parseHeader } from '../../src/chain/head/header.ts';
import type { HeadsOptions } from '../../src/chain/head/head.ts';
import type { BlockId, Chain, HeadEvent } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { useEndpoints } from '../support/endpoints.ts';
import { inventBranch, type InventedBranch, type PlainHeader } from '../support/invented-branch.ts';
import type { RpcProxy } from '../support/rpc-proxy.ts';
import { describeOnChains, type StartedChain } from '../support/shared-chain.ts';
import { until } from '../support/until.ts';
import { isChain, numbers, record, withCode, type Recorder } from './support.ts';

/** As nodes send it. */
interface Told {
  readonly number: string;
}

describeOnChains('best heads, at a node that is behind what was seen', { isNeverFinal: true }, (ground) => {
  const { proxy, connect: connectTo } = useEndpoints(() => ground.ws, { silenceMs: 1_000 });
  const connect = (...endpoints: readonly RpcProxy[]): Promise<Chain> => connectTo(endpoints.map(({ ws }) => ws));
  /** The newest block. */
  let head: BlockId;
  const grow = async (count?: number): Promise<BlockId> => (head = await ground.grow(count));
  /** Another chain of the same genesis, which has fewer blocks. */
  let anew: StartedChain;
  before(async () => {
    await grow(40);
    anew = await ground.startRival({ blocks: 4 });
  });
  after(() => anew[Symbol.asyncDispose]());
  /** Until the newest block is the last that was given. */
  const comeToHead = async ({ until }: Recorder<HeadEvent>): Promise<void> => {
    await until((events) => events.at(-1)?.head.hash === head.hash);
  };
  /** Makes a node tell, one by one, of the heads from a number on; where it is `syncing` it has none of those above. */
  const holdBack = async (node: RpcProxy, from: number, isSyncing: boolean): Promise<{ readonly told: number }> => {
    const chain = await connectTo([ground.ws]);
    const raw = async (number: number): Promise<unknown> => headers.get((await chain.headAt(number))?.hash);
    const headers = new Map<unknown, unknown>();
    const reader = await proxy();
    reader.alter = (method, [hash], result) => {
      if (method === 'chain_getHeader') headers.set(hash, result);
      return result;
    };
    const reading = await connect(reader);
    const old: unknown[] = [];
    for (let number = from; number < from + 20; number++) {
      await reading.headAt(number);
      old.push(await raw(number));
    }
    let told = 0;
    node.alter = (method, [hash], result) => {
      if (method === 'chain_newHead') return old[Math.min(told++, old.length - 1)];
      if (method === 'chain_getHeader' && hash === undefined) return old[Math.min(told, old.length - 1)];
      if (!isSyncing) return result;
      if (method === 'system_health') return { isSyncing: true, peers: 3, shouldHavePeers: true };
      const isAhead = method === 'chain_getHeader' && Number((result as Told | null)?.number) >= from + told;
      return isAhead ? null : result;
    };
    return {
      get told() {
        return told;
      },
    };
  };

  for (const isSyncing of [true, false])
    it(`take nothing back below the first one, and go on where another is ahead (syncing: ${isSyncing})`, async () => {
      const first = head.number;
      const [ahead, behind] = [await proxy(), await proxy()];
      const late = await holdBack(behind, first - 31, isSyncing);
      const chain = await connect(ahead, behind);
      using heads = record(chain.bestHeads$());
      await heads.until(({ length }) => length > 0);
      ahead.isClosed = true;
      ahead.cut();
      while (late.told < 12) {
        const { told } = late;
        if ((behind.asked.get('chain_subscribeNewHeads') ?? 0) > 0) await grow();
        const next = performance.now() + 100;
        await until(() => late.told > told || performance.now() >= next);
      }
      await chain.headAt(1); // what was told before its answer was looked at
      assert.equal(numbers(heads.values), `+${first}`);
      ahead.isClosed = false;
      await comeToHead(heads);
      assert.ok(isChain(heads.values), numbers(heads.values));
      assert.ok(heads.values.every(({ type }) => type === 'head'));
    });

  describe('that are more than are remembered', () => {
    /** A long chain, of made-up blocks: two nodes have all of it. */
    let long: readonly PlainHeader[];
    let branch: InventedBranch;
    let heads: Recorder<HeadEvent>;
    let first: RpcProxy;
    let second: RpcProxy;
    /** What each node says is its best block. */
    let best: Map<RpcProxy, PlainHeader>;
    const following = 5;
    beforeEach(async () => {
      const { number: base } = head;
      branch = inventBranch(head);
      long = Array.from({ length: 2_100 + following }, () => branch.next());
      [first, second] = [await proxy(), await proxy()];
      best = new Map([first, second].map((node) => [node, long[2_099]!]));
      for (const node of [first, second])
        node.alter = (method, [of], result) => {
          const newest = best.get(node)!;
          if (method === 'chain_newHead') return newest;
          if (method === 'chain_getHeader') return of === undefined ? newest : (branch.header(of as Hex) ?? result);
          if (method !== 'chain_getBlockHash' || typeof of !== 'number' || of <= base) return result;
          return of <= Number(newest.number) ? hashHeader(parseHeader(long[of - base - 1]!)) : null;
        };
      const chain = await connect(first, second);
      heads = record(chain.bestHeads$({ from: base + 1 }));
      await heads.until(({ length }) => length === 2_100);
    });
    afterEach(() => {
      heads[Symbol.dispose]();
    });
    const untilAllGoOn = async (): Promise<void> => {
      for (const node of [first, second]) best.set(node, long.at(-1)!);
      await grow();
      await heads.until(({ length }) => length === long.length);
      assert.ok(isChain(heads.values));
      assert.ok(heads.values.every(({ type }) => type === 'head'));
    };

    it('take nothing back, nor end, where it is further behind than that', async () => {
      best.set(second, long[900]!);
      first.isClosed = true;
      first.cut();
      await until(() => (second.asked.get('chain_subscribeNewHeads') ?? 0) > 0);
      const asked = (): number => second.asked.get('chain_getHeader') ?? 0;
      const before = asked();
      await until(() => asked() > before + 50);
      await untilAllGoOn();
    });

    it('do not end by the word of one that tells of a made-up block further down', async () => {
      const parent = parseHeader(long[898]!);
      const lie = inventBranch({ number: parent.number, hash: hashHeader(parent) });
      best.set(first, lie.next());
      await grow();
      await until(() => (second.asked.get('chain_subscribeNewHeads') ?? 0) > 0);
      await untilAllGoOn();
    });
  });

  it('begin anew where the only node there is has begun another chain, once it went on by eight blocks', async () => {
    const node = await proxy();
    const chain = await connect(node);
    using heads = record(chain.bestHeads$());
    await heads.until(({ length }) => length > 0);
    node.target = anew.ws;
    node.cut();
    await until(() => (node.asked.get('system_health') ?? 0) > 0);
    const { hash } = await anew.grow(7);
    await until(async () => (await chain.bestHead()).hash === hash);
    assert.equal(numbers(heads.values), `+${head.number}`);
    const newest = await anew.grow();
    await heads.until((events) => events.at(-1)?.head.hash === newest.hash);
    assert.equal(numbers(heads.values), `+${head.number} -${head.number} +${newest.number}`);
  });

  describe('at the only URL there is, which says that it is in sync', () => {
    let node: RpcProxy;
    let chain: Chain;
    const looks = (): number => node.asked.get('system_health') ?? 0;
    let first: number;
    let late: number[];
    /** Whom another node behind the URL is as far as: it knows and tells of none above. */
    let best: number;
    beforeEach(async () => {
      first = head.number;
      late = [first - 3, first - 2, first - 1];
      node = await proxy();
      best = Infinity;
      const headers = new Map<number, unknown>();
      const numberOf = (header: unknown): number => Number((header as Told | null)?.number ?? 0);
      node.alter = (method, [of], result) => {
        if (method === 'chain_getHeader') headers.set(numberOf(result), result);
        if (method === 'system_health') return { isSyncing: false, peers: 3, shouldHavePeers: true };
        if (method === 'chain_getBlockHash' && typeof of === 'number' && of > best) return null;
        if ((method !== 'chain_newHead' && method !== 'chain_getHeader') || numberOf(result) <= best) return result;
        return method === 'chain_getHeader' && of !== undefined ? null : headers.get(best);
      };
      chain = await connect(node);
      for (const number of late) await chain.headAt(number);
    });
    /** It goes on, a block at a time, until it has all. */
    const catchUp = async (heads: Recorder<HeadEvent>): Promise<void> => {
      for (best of late) {
        const before = looks();
        await grow();
        await until(() => looks() > before || heads.failure !== undefined);
      }
      best = Infinity;
      await grow();
      await comeToHead(heads);
      assert.ok(isChain(heads.values), numbers(heads.values));
      assert.ok(heads.values.every(({ type }) => type === 'head'));
    };

    for (const [what, options] of [
      ['after a block that was seen', async () => ({ after: (await chain.headAt(first))! })],
      ['from a number on', () => ({ from: first + 1 })],
      ['that were begun at the present one', () => ({})],
    ] as readonly (readonly [string, () => HeadsOptions | Promise<HeadsOptions>])[])
      it(`take nothing back, nor end, ${what}, where another node answers there that is some blocks late`, async () => {
        using heads = record(chain.bestHeads$(await options()));
        await grow();
        await comeToHead(heads);
        best = late[0]!;
        node.cut();
        await catchUp(heads);
        assert.ok(heads.values[0]!.head.number >= first);
      });

    it('begin after a block that was seen, where the node that answers first does not have it yet', async () => {
      const after = (await chain.headAt(first))!;
      best = late[0]!;
      node.cut();
      using heads = record(chain.bestHeads$({ after }));
      await catchUp(heads);
      assert.equal(heads.values[0]!.head.parentHash, after.hash);
    });

    it('end, after a block that was seen, where it went on by eight blocks without that, which nobody can take back', async () => {
      using heads = record(chain.bestHeads$({ after: (await chain.headAt(first))! }));
      await grow();
      await heads.until(({ length }) => length === 1);
      node.target = anew.ws;
      node.cut();
      await until(() => looks() > 0);
      await anew.grow();
      await until(() => looks() > 1 || heads.failure !== undefined);
      assert.equal(heads.failure, undefined);
      await anew.grow(8);
      await assert.rejects(
        heads.until(() => false),
        withCode('state-discarded'),
      );
      assert.equal(numbers(heads.values), `+${first + 1}`);
    });
  });
});

describe('best heads, at a node that takes some back while it is away', () => {
  const { proxy, connect } = useEndpoints(() => '');

  it('begin anew where the branch parted below the first one while there was no connection', async () => {
    await using dev = await startDevChain({ finalityLag: 200 });
    await dev.newBlock({ count: 10 });
    const node = await proxy(undefined, dev.ws);
    const chain = await connect([node.ws]);
    using heads = record(chain.bestHeads$());
    await heads.until(({ length }) => length > 0);
    node.isClosed = true;
    node.cut();
    await dev.reorg(7);
    await dev.newBlock();
    node.isClosed = false;
    await heads.until((events) => events.at(-1)?.head.hash === dev.head.hash);
    assert.equal(numbers(heads.values), '+11 -11 +8');
  });
});
