import assert from 'node:assert/strict';
import type { BlockId, ChainLogger, HeadEvent } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { useEndpoints, type Endpoints } from '../support/endpoints.ts';
import { inventBranch, inventing, type InventedBranch } from '../support/invented-branch.ts';
import { ManualClock } from '../support/manual-clock.ts';
import type { RpcProxy } from '../support/rpc-proxy.ts';
import { describeOnChains } from '../support/shared-chain.ts';
import { until } from '../support/until.ts';
import { isChain, numbers, record, type Recorder } from './support.ts';

/** Nodes that were named in a warning, with what was said of them. */
let warnings: { readonly url: string; readonly text: string }[];
const logger: ChainLogger = {
  debug: () => undefined,
  warn: (facts, text) => void warnings.push({ url: String('url' in facts && facts.url), text }),
};
let clock: ManualClock;

/** Ways to a node, and connections over them that share a clock of the test. */
function useClockedEndpoints(ws: () => string): Endpoints {
  const { proxy, connect } = useEndpoints(ws, { logger, timeoutMs: 10_000, backoff: { minMs: 1, maxMs: 10 } });
  beforeEach(() => {
    clock = new ManualClock();
    warnings = [];
  });
  return { proxy, connect: (endpoints) => connect(endpoints, { clock }) };
}

/** Long enough for several looks at what others know, as fast as they are taken. */
async function passTime(isOver = (): boolean => false): Promise<void> {
  for (let second = 0; second < 20 && !isOver(); second++) {
    clock.advance(1_000);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

const title = 'a node that invents best heads, linked and known to it by their hashes,';
describeOnChains(title, { isNeverFinal: true }, (node) => {
  const { proxy, connect } = useClockedEndpoints(() => node.ws);
  /** The newest block. */
  let head: BlockId;
  const grow = async (count?: number): Promise<BlockId> => (head = await node.grow(count));
  before(() => grow(5));

  const inventor = async (branch: InventedBranch): Promise<RpcProxy> => proxy(inventing(branch));
  /** Until the newest block is the last that was given. */
  const comeToHead = async ({ until }: Recorder<HeadEvent>): Promise<void> => {
    await until((events) => events.at(-1)?.head.hash === head.hash);
  };
  const liars = (): string[] => warnings.filter(({ text }) => text.includes('lies')).map(({ url }) => url);
  /** Lets the chain and time go on until the newest head that was given is the chain's. */
  const untilTrue = async ({ values }: Recorder<HeadEvent>): Promise<void> => {
    const isTrue = (): boolean => values.at(-1)?.head.hash === head.hash;
    while (!isTrue()) {
      await grow();
      await passTime(isTrue);
    }
  };

  for (const [where, parent] of [
    ['far above the chain', () => ({ number: 1_000_000, hash: `0x${'12'.repeat(32)}` as const })],
    ['on top of the chain', () => head],
  ] as const)
    it(`${where}, is named and left where two others have none of them`, async () => {
      const branch = inventBranch(parent());
      for (let known = 0; known < 5; known++) branch.next();
      const liar = await inventor(branch);
      const other = await proxy();
      const chain = await connect([liar.ws, node.ws, other.ws]);
      using heads = record(chain.bestHeads$());
      await until(() => heads.values.length > 0);
      assert.ok(branch.hashes.has(heads.values[0]!.head.hash));
      await untilTrue(heads);
      assert.ok(isChain(heads.values), numbers(heads.values));
      assert.deepEqual(liars(), [liar.ws]);
      await grow(3);
      await comeToHead(heads);
    });

  for (const below of [0, 2])
    it(`from ${below} blocks below one that the others know, is named and left`, async () => {
      const made: { branch?: InventedBranch } = {};
      const liar = await proxy((method, [hash], result) => {
        if (method === 'chain_newHead') return made.branch?.next() ?? result;
        return method === 'chain_getHeader' ? (made.branch?.header(hash as Hex) ?? result) : result;
      });
      const other = await proxy();
      const chain = await connect([liar.ws, node.ws, other.ws]);
      using heads = record(chain.bestHeads$());
      await heads.until(({ length }) => length > 0);
      for (let block = 0; block < 4; block++) {
        await grow();
        await comeToHead(heads);
        const asked = other.asked.get('chain_getHeader') ?? 0;
        // The others were seen to know it.
        while ((other.asked.get('chain_getHeader') ?? 0) === asked) await passTime();
      }
      made.branch = inventBranch((await chain.headAt(head.number - below))!);
      for (let blocks = 0; liars().length === 0; blocks++) {
        assert.ok(blocks < 60, 'it is never left');
        await grow();
        await passTime();
      }
      assert.deepEqual(liars(), [liar.ws]);
      await untilTrue(heads);
    });

  it('is left for the other one where there are two, and not named a liar: it is word against word', async () => {
    const branch = inventBranch({ number: 1_000_000, hash: `0x${'12'.repeat(32)}` });
    branch.next();
    const liar = await inventor(branch);
    const chain = await connect([liar.ws, node.ws]);
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
      await grow();
      await comeToHead(heads);
      await passTime();
    }
    assert.ok(
      heads.values.slice(length).every(({ type, head }) => type === 'head' && !branch.hashes.has(head.hash)),
      'it is used no more',
    );
    assert.ok(isChain(heads.values), numbers(heads.values));
  });

  it('and then falls silent, is left too', async () => {
    const branch = inventBranch(head);
    const told: unknown[] = [];
    const liar = await proxy((method, [hash], result) => {
      if (method === 'chain_getHeader') return branch.header(hash as Hex) ?? result;
      if (method !== 'chain_newHead') return result;
      told.push(told.length < 3 ? branch.next() : told.at(-1));
      return told.at(-1);
    });
    const other = await proxy();
    const chain = await connect([liar.ws, node.ws, other.ws]);
    using heads = record(chain.bestHeads$({ from: head.number }));
    await until(() => heads.values.length > 0);
    await untilTrue(heads);
    assert.deepEqual(liars(), [liar.ws]);
  });
});

describe('an honest node that tells of best heads', () => {
  let dev: DevChain;
  const { proxy, connect } = useClockedEndpoints(() => dev.ws);
  before(async () => {
    dev = await startDevChain({ finalityLag: 4 });
    await dev.newBlock({ count: 5 });
  });
  after(() => dev.stop());

  it('is not taken for one that invents them, though others get its blocks later, and some of them never', async () => {
    const orphans = new Set<unknown>();
    const others = [await proxy(), await proxy()];
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
