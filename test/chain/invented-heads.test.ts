import assert from 'node:assert/strict';
import { connectChain, type Chain, type ChainLogger, type HeadEvent } from '../../src/chain/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { inventBranch, startInventor, type InventedBranch } from '../support/invented-branch.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { startRpcProxy, type RpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { isChain, numbers, record, type Recorder } from './support.ts';

describe('a node that invents best heads, linked and known to it by their hashes', () => {
  let dev: DevChain;
  let clock: ManualClock;
  let dispose: AsyncDisposable[];
  /** Nodes that were named in a warning, with what was said of them. */
  let warnings: { readonly url: string; readonly text: string }[];
  const logger: ChainLogger = {
    debug: () => undefined,
    warn: (facts, text) => void warnings.push({ url: String('url' in facts && facts.url), text }),
  };
  before(async () => {
    dev = await startDevChain({ finalityLag: 4 });
    await dev.newBlock({ count: 5 });
  });
  beforeEach(() => {
    clock = new ManualClock();
    dispose = [];
    warnings = [];
  });
  afterEach(async () => {
    for (const each of dispose.reverse()) await each[Symbol.asyncDispose]();
  });
  after(() => dev.stop());

  const use = <T extends AsyncDisposable>(each: T): T => {
    dispose.push(each);
    return each;
  };
  const inventor = async (branch: InventedBranch): Promise<RpcProxy> => use(await startInventor(dev.ws, branch));
  const connect = async (endpoints: readonly string[]): Promise<Chain> =>
    use(await connectChain({ endpoints, clock, logger, backoff: { minMs: 1, maxMs: 10 } }));
  const liars = (): string[] => warnings.filter(({ text }) => text.includes('lies')).map(({ url }) => url);
  /** Lets the chain and time go on until the newest head that was given is the chain's. */
  const untilTrue = async ({ values }: Recorder<HeadEvent>): Promise<void> => {
    const isTrue = (): boolean => values.at(-1)?.head.hash === dev.head.hash;
    while (!isTrue()) {
      await dev.newBlock();
      await passTime(isTrue);
    }
  };
  /** Long enough for several looks at what others know, as fast as they are taken. */
  const passTime = async (isOver = (): boolean => false): Promise<void> => {
    for (let second = 0; second < 20 && !isOver(); second++) {
      clock.advance(1_000);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };

  for (const [where, parent] of [
    ['far above the chain', () => ({ number: 1_000_000, hash: `0x${'12'.repeat(32)}` as const })],
    ['on top of the chain', () => dev.head],
  ] as const)
    it(`${where}, is named and left where two others have none of them`, async () => {
      const branch = inventBranch(parent());
      for (let known = 0; known < 5; known++) branch.next();
      const liar = await inventor(branch);
      const other = use(await startRpcProxy(dev.ws));
      const chain = await connect([liar.ws, dev.ws, other.ws]);
      using heads = record(chain.bestHeads$());
      await until(() => heads.values.length > 0);
      assert.ok(branch.hashes.has(heads.values[0]!.head.hash));
      await untilTrue(heads);
      assert.ok(isChain(heads.values), numbers(heads.values));
      assert.deepEqual(liars(), [liar.ws]);
      await dev.newBlock({ count: 3 });
      await heads.until((events) => events.at(-1)?.head.hash === dev.head.hash);
    });

  for (const below of [0, 2])
    it(`from ${below} blocks below one that the others know, is named and left`, async () => {
      const made: { branch?: InventedBranch } = {};
      const liar = use(
        await startRpcProxy(dev.ws, (method, [hash], result) => {
          if (method === 'chain_newHead') return made.branch?.next() ?? result;
          return method === 'chain_getHeader' ? (made.branch?.header(hash as `0x${string}`) ?? result) : result;
        }),
      );
      const other = use(await startRpcProxy(dev.ws));
      const chain = await connect([liar.ws, dev.ws, other.ws]);
      using heads = record(chain.bestHeads$());
      await heads.until(({ length }) => length > 0);
      for (let block = 0; block < 4; block++) {
        await dev.newBlock();
        await heads.until((events) => events.at(-1)?.head.hash === dev.head.hash);
        const asked = other.asked.get('chain_getHeader') ?? 0;
        // The others were seen to know it.
        while ((other.asked.get('chain_getHeader') ?? 0) === asked) await passTime();
      }
      made.branch = inventBranch((await chain.headAt(dev.head.number - below))!);
      for (let blocks = 0; liars().length === 0; blocks++) {
        assert.ok(blocks < 60, 'it is never left');
        await dev.newBlock();
        await passTime();
      }
      assert.deepEqual(liars(), [liar.ws]);
      await untilTrue(heads);
    });

  it('is left for the other one where there are two, and not named a liar: it is word against word', async () => {
    const branch = inventBranch({ number: 1_000_000, hash: `0x${'12'.repeat(32)}` });
    branch.next();
    const liar = await inventor(branch);
    const chain = await connect([liar.ws, dev.ws]);
    using heads = record(chain.bestHeads$());
    await until(() => heads.values.length > 0);
    await untilTrue(heads);
    assert.deepEqual(liars(), []);
    assert.deepEqual(
      chain.nodeFaults.map(({ url, error, isLeft }) => [url, error.code, isLeft]),
      [[liar.ws, 'endpoints-disagree', false]],
    );
    assert.ok(warnings.some(({ url, text }) => url === liar.ws && text === 'connection replaced'));
    const { length } = heads.values;
    for (let block = 0; block < 20; block++) {
      await dev.newBlock();
      await heads.until((events) => events.at(-1)?.head.hash === dev.head.hash);
      await passTime();
    }
    assert.ok(
      heads.values.slice(length).every(({ type, head }) => type === 'head' && !branch.hashes.has(head.hash)),
      'it is used no more',
    );
    assert.ok(isChain(heads.values), numbers(heads.values));
  });

  it('and then falls silent, is left too', async () => {
    const branch = inventBranch(dev.head);
    const told: unknown[] = [];
    const liar = use(
      await startRpcProxy(dev.ws, (method, [hash], result) => {
        if (method === 'chain_getHeader') return branch.header(hash as `0x${string}`) ?? result;
        if (method !== 'chain_newHead') return result;
        told.push(told.length < 3 ? branch.next() : told.at(-1));
        return told.at(-1);
      }),
    );
    const other = use(await startRpcProxy(dev.ws));
    const chain = await connect([liar.ws, dev.ws, other.ws]);
    using heads = record(chain.bestHeads$({ from: dev.head.number }));
    await until(() => heads.values.length > 0);
    await untilTrue(heads);
    assert.deepEqual(liars(), [liar.ws]);
  });

  it('is not what an honest node is taken for, though others get its blocks later, and some of them never', async () => {
    const orphans = new Set<unknown>();
    const others = [use(await startRpcProxy(dev.ws)), use(await startRpcProxy(dev.ws))];
    for (const other of others)
      other.alter = (method, [hash], result) => {
        if (method === 'system_health') return { isSyncing: true, peers: 3, shouldHavePeers: true };
        if (method !== 'chain_getHeader' || hash === undefined) return result;
        const number = Number((result as { number?: string } | null)?.number ?? Infinity);
        return orphans.has(hash) || number > dev.head.number - 3 ? null : result;
      };
    const chain = await connect([dev.ws, ...others.map(({ ws }) => ws)]);
    using heads = record(chain.bestHeads$());
    await heads.until(({ length }) => length > 0);
    for (let block = 0; block < 40; block++) {
      const { head } = dev;
      if (block % 10 === 9) {
        orphans.add(head.hash);
        await dev.reorg(head.number - 1);
      }
      await dev.newBlock();
      await heads.until((events) => events.at(-1)?.head.hash === dev.head.hash);
      await passTime();
    }
    assert.ok(others.every(({ asked }) => (asked.get('chain_getHeader') ?? 0) > 10));
    assert.ok(heads.values.some(({ type }) => type === 'retracted'));
    assert.deepEqual(warnings, []);
  });
});
