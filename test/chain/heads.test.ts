import assert from 'node:assert/strict';
import { connectChain, type Chain, type Finality, type HeadEvent } from '../../src/chain/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { isChain, numbers, record, withCode, type Recorder } from './support.ts';
import { useEndpoints } from '../support/endpoints.ts';
import { Refusal, startRpcProxy } from '../support/rpc-proxy.ts';
import { describeOnChains } from '../support/shared-chain.ts';
import { until } from '../support/until.ts';
import { startProxy } from './tcp-proxy.ts';

describeOnChains('heads of any chain', { finalityLag: 3 }, (node) => {
  const { proxy, connect } = useEndpoints(() => node.ws);
  before(() => node.grow(10));
  /** Waits for the block that is the newest now; gives its number and how many events there were up to it. */
  const reaches = async (
    { until }: Recorder<HeadEvent>,
    finality: Finality,
  ): Promise<{ number: number; events: number }> => {
    const { number, hash } = await node.newest(finality);
    const isIt = ({ head }: HeadEvent): boolean => head.hash === hash;
    const events = await until((all) => all.some(isIt));
    return { number, events: events.findIndex(isIt) + 1 };
  };

  it('come every block once, from any block on, however the node jumps', async () => {
    const chain = await connect([node.ws]);
    using finalized = record(chain.finalizedHeads$({ from: 0 }));
    using best = record(chain.bestHeads$({ from: 2 }));
    await node.grow(22);
    const [all, some] = [await reaches(finalized, 'finalized'), await reaches(best, 'best')];
    for (const { values } of [finalized, best]) assert.ok(isChain(values));
    assert.equal(finalized.values[0]?.head.hash, node.genesisHash);
    assert.deepEqual([all.events, some.events], [all.number + 1, some.number - 1]);
  });

  it('leave nothing out and repeat nothing over cuts', async () => {
    const way = await proxy();
    const chain = await connect([way.ws]);
    using finalized = record(chain.finalizedHeads$({ from: 0 }));
    using best = record(chain.bestHeads$({ from: 0 }));
    for (let i = 0; i < 5; i++) {
      await node.grow(4);
      way.cut();
    }
    const [all, some] = [await reaches(finalized, 'finalized'), await reaches(best, 'best')];
    assert.ok(isChain(finalized.values) && isChain(best.values));
    assert.deepEqual([all.events, some.events], [all.number + 1, some.number + 1]);
  });

  it('go on over a socket that is silent', async () => {
    await using way = await startProxy(node.ws);
    const chain = await connect([way.ws], { silenceMs: 200 });
    using heads = record(chain.finalizedHeads$());
    await heads.until(({ length }) => length > 0);
    way.freeze();
    await node.grow(3);
    await reaches(heads, 'finalized');
    assert.ok(isChain(heads.values) && way.connections > 1);
  });

  it('go on behind a block that was seen', async () => {
    const chain = await connect([node.ws]);
    const { number } = await node.newest();
    const after = (await chain.headAt(number - 1))!;
    using finalized = record(chain.finalizedHeads$({ after }));
    using best = record(chain.bestHeads$({ after }));
    using agreed = record(chain.finalizedHeads$({ agreed: true, after }));
    await node.grow(2);
    for (const each of [finalized, agreed]) await reaches(each, 'finalized');
    await reaches(best, 'best');
    for (const { values } of [finalized, best, agreed]) {
      assert.ok(isChain(values));
      assert.equal(values[0]?.head.parentHash, after.hash);
    }
  });

  for (const finality of ['best', 'finalized'] as const)
    it(`of ${finality} outlast any number of refusals of what was answered before, and warn meanwhile`, async () => {
      const way = await proxy();
      const warnings: string[] = [];
      const logger = { debug: () => undefined, warn: (_: object, text: string) => void warnings.push(text) };
      const chain = await connect([way.ws], { backoff: { minMs: 1, maxMs: 2 }, logger });
      using heads = record(chain[finality === 'best' ? 'bestHeads$' : 'finalizedHeads$']({ from: 1 }));
      await reaches(heads, finality);
      way.isClosed = true;
      way.cut();
      // What lies between is asked for, and refused as often as it takes.
      await node.grow(20);
      let refused = 0;
      way.refuse = (method, [asked]) =>
        method === 'chain_getBlockHash' && asked !== 0 && refused < 60
          ? (refused++, new Refusal('Rate limit reached', 4_290))
          : undefined;
      way.isClosed = false;
      await reaches(heads, finality);
      let left = 40;
      way.refuse = (method) =>
        method.startsWith('chain_subscribe') && left-- > 0 ? new Refusal('Too many', 4_290) : undefined;
      way.cut();
      await node.grow();
      await reaches(heads, finality);
      assert.ok(left < 0 && isChain(heads.values));
      assert.equal(refused, 60);
      assert.ok(warnings.includes('endpoints refuse, they are asked again'), String(warnings));
    });
});

describe('heads', () => {
  let dev: DevChain;
  let chain: Chain;
  beforeEach(async () => {
    dev = await startDevChain({ finalityLag: 3 });
    chain = await connectChain({ endpoints: [dev.ws] });
  });
  afterEach(async () => {
    await chain.stop();
    await dev.stop();
  });

  it('begin with the present head', async () => {
    await dev.newBlock({ count: 5 });
    using best = record(chain.bestHeads$());
    using finalized = record(chain.finalizedHeads$());
    await best.until(({ length }) => length > 0);
    await finalized.until(({ length }) => length > 0);
    assert.equal(best.values[0]?.head.hash, dev.head.hash);
    assert.equal(finalized.values[0]?.head.hash, dev.finalized.hash);
  });

  it('begin with the genesis of a local chain whose hash is not that of its header', async () => {
    await dev.newBlock({ count: 6 });
    await using proxy = await startRpcProxy(dev.ws, (method, [hash], result) =>
      method === 'chain_getHeader' && hash === dev.genesisHash
        ? { ...(result as object), extrinsicsRoot: `0x${'11'.repeat(32)}` }
        : result,
    );
    await using local = await connectChain({ endpoints: [proxy.ws] });
    using finalized = record(local.finalizedHeads$({ from: 0 }));
    await finalized.until((events) => events.at(-1)?.head.hash === dev.finalized.hash);
    assert.equal(finalized.values[0]?.head.hash, dev.genesisHash);
  });

  it('wait for a first block that is yet to come', async () => {
    using best = record(chain.bestHeads$({ from: 4 }));
    await dev.newBlock({ count: 6 });
    await best.until((events) => events.at(-1)?.head.hash === dev.head.hash);
    assert.equal(best.values[0]?.head.number, 4);
    assert.ok(isChain(best.values));
  });

  it('take back what a reorg takes, newest first', async () => {
    await dev.newBlock({ count: 5 });
    const start = dev.head.number;
    using best = record(chain.bestHeads$({ from: start - 2 }));
    await best.until((events) => events.at(-1)?.head.hash === dev.head.hash);
    const fork = await dev.reorg(start - 2);
    await best.until((events) => events.some(({ type }) => type === 'retracted'));
    await dev.newBlock({ count: 3 });
    await best.until((events) => events.at(-1)?.head.hash === dev.head.hash);
    assert.equal(fork.number, start - 2);
    assert.ok(isChain(best.values));
    assert.match(numbers(best.values), new RegExp(`\\+${start} -${start} -${start - 1} \\+${start - 1}`));
  });

  it('begin anew below the first one, where a reorg takes that and more', async () => {
    await dev.newBlock({ count: 5 });
    const start = dev.head.number;
    using best = record(chain.bestHeads$());
    await best.until(({ length }) => length === 1);
    await dev.reorg(start - 2);
    await best.until((events) => events.at(-1)?.head.hash === dev.head.hash);
    await dev.newBlock({ count: 2 });
    await best.until((events) => events.at(-1)?.head.hash === dev.head.hash);
    assert.equal(numbers(best.values), `+${start} -${start} +${start - 2} +${start - 1} +${start}`);
  });

  it('take back what was seen before a restart and went meanwhile, however deep', async () => {
    await dev.newBlock({ count: 6 });
    const after = dev.head;
    await dev.reorg(after.number - 2);
    await dev.newBlock({ count: 4 });
    using best = record(chain.bestHeads$({ after }));
    await best.until((events) => events.at(-1)?.head.hash === dev.head.hash);
    const ahead = [1, 2, 3, 4].map((n) => `+${after.number - 2 + n}`).join(' ');
    assert.equal(numbers(best.values), `-${after.number} -${after.number - 1} ${ahead}`);
    const fork = { number: after.number - 2, hash: after.hash };
    using finalized = record(chain.finalizedHeads$({ after: { ...fork, number: dev.finalized.number - 1 } }));
    await assert.rejects(
      finalized.until(() => false),
      withCode('chain-forked'),
    );
    const unknown = { number: 3, hash: `0x${'12'.repeat(32)}` } as const;
    using lost = record(chain.bestHeads$({ after: unknown }));
    await assert.rejects(
      lost.until(() => false),
      withCode('state-discarded', unknown.hash),
    );
  });

  it('are read many at once behind a block that a reorg took', async () => {
    await dev.newBlock({ count: 5 });
    const after = dev.head;
    await dev.reorg(after.number - 2);
    await dev.newBlock({ count: 60 });
    await using proxy = await startRpcProxy(dev.ws);
    await using through = await connectChain({ endpoints: [proxy.ws] });
    let inFlight = 0;
    let most = 0;
    proxy.hold = (method) => {
      if (method !== 'chain_getHeader') return undefined;
      most = Math.max(most, ++inFlight);
      return until(() => true).then(() => inFlight--);
    };
    using best = record(through.bestHeads$({ after }));
    await best.until((events) => events.at(-1)?.head.hash === dev.head.hash);
    assert.ok(numbers(best.values).startsWith(`-${after.number} -${after.number - 1} +${after.number - 1}`));
    assert.ok(isChain(best.values.slice(2)));
    assert.equal(best.values.length, dev.head.number - (after.number - 2) + 2);
    assert.ok(most > 8, `${most} at once`);
  });

  it('take nothing back where the node is behind what was seen', async () => {
    await dev.newBlock({ count: 4 });
    const after = dev.head;
    await dev.reorg(after.number - 1);
    using best = record(chain.bestHeads$({ after }));
    await dev.reorg(after.hash);
    await dev.newBlock();
    await best.until((events) => events.at(-1)?.head.hash === dev.head.hash);
    assert.equal(numbers(best.values), `+${dev.head.number}`);
  });

  it('are read only a window ahead of who takes them, and not at all while nobody does', async () => {
    await dev.newBlock({ count: 60 });
    await using proxy = await startRpcProxy(dev.ws);
    await using through = await connectChain({ endpoints: [proxy.ws] });
    const asked = (): number => proxy.asked.get('chain_getHeader') ?? 0;
    /** Once all that was under way was answered, and asked for nothing more. */
    const settled = async (): Promise<number> => {
      for (let last = -1; last !== asked();) {
        last = asked();
        for (let i = 0; i < 5; i++) await through.at(dev.head.hash).timestamp();
      }
      return asked() - before;
    };
    const before = asked();
    const events = through.headEvents({ finality: 'best', from: 1 });
    for (let number = 1; number <= 3; number++) assert.equal((await events.next()).value.head.number, number);
    const ahead = await settled();
    assert.ok(ahead >= 3 && ahead <= 3 + 20, `${ahead} headers`);
    await dev.newBlock({ count: 10 });
    assert.equal(await settled(), ahead);
    for (let number = 4; number <= dev.head.number; number++)
      assert.equal((await events.next()).value.head.number, number);
    assert.ok((await settled()) > 60);
    await events.return(undefined as never);
  });

  it('of finalized blocks are not read either while nobody takes them', async () => {
    await dev.newBlock({ count: 10 });
    await using proxy = await startRpcProxy(dev.ws);
    let told = 0;
    proxy.alter = (method, _, result) => (method === 'chain_finalizedHead' && told++, result);
    await using through = await connectChain({ endpoints: [proxy.ws] });
    const events = through.headEvents();
    const first = (await events.next()).value.head.number;
    const asked = (): number => [...proxy.asked.values()].reduce((sum, count) => sum + count, 0);
    const before = asked();
    const seen = told;
    for (let i = 0; i < 20; i++) await dev.newBlock();
    await until(() => told >= seen + 20);
    for (let i = 0; i < 5; i++) await through.headOf(dev.head.hash);
    assert.equal(asked(), before + 5);
    for (let number = first + 1; number <= dev.finalized.number; number++)
      assert.equal((await events.next()).value.head.number, number);
    await events.return(undefined as never);
  });

  it('complete when the chain is stopped, and end with their signal', async () => {
    using finalized = record(chain.finalizedHeads$());
    const stopping = new AbortController();
    const pulled = chain.headEvents({}, stopping.signal);
    await pulled.next();
    stopping.abort();
    await assert.rejects(pulled.next(), withCode('aborted'));
    const waiting = chain.headEvents();
    await waiting.next();
    await chain.stop();
    await assert.rejects(waiting.next(), withCode('chain-stopped'));
    assert.equal(finalized.failure, undefined);
    assert.ok(finalized.isComplete);
  });

  it('are never those of a fork that a node behind the others has by number', async () => {
    await using fork = await startDevChain({ finalityLag: 1_000 });
    assert.equal(fork.genesisHash, dev.genesisHash);
    await dev.newBlock({ count: 6 });
    await fork.newBlock({ count: 30, timestamp: Date.now() + 7_200_000 });
    let told = 0;
    await using ahead = await startRpcProxy(dev.ws, (method, _, result) => {
      if (method === 'chain_finalizedHead') told += 1;
      return result;
    });
    await using behind = await startRpcProxy(fork.ws);
    await using through = await connectChain({
      endpoints: [ahead.ws, behind.ws],
      backoff: { minMs: 10, maxMs: 20 },
    });
    const events = through.headEvents();
    const given = [(await events.next()).value];
    await dev.newBlock({ count: 5 });
    await until(() => told > 5);
    await through.bestHead(); // what came before its answer has arrived
    ahead.isClosed = true;
    ahead.cut();
    const next = events.next();
    await until(() => (behind.asked.get('chain_subscribeFinalizedHeads') ?? 0) > 0);
    await until(() => (behind.asked.get('chain_getFinalizedHead') ?? 0) > 2);
    behind.target = dev.ws;
    behind.cut();
    for (given.push((await next).value); given.at(-1)?.head.hash !== dev.finalized.hash;)
      given.push((await events.next()).value);
    assert.ok(isChain(given));
    assert.equal(given.length, 6);
    await events.return(undefined as never);
  });

  for (const [what, code] of [
    ['is busy', -32603],
    ['limits rates in its own words', 4_290],
  ] as const)
    it(`go on where a node ${what}, for as long as it takes`, async () => {
      await using proxy = await startRpcProxy(dev.ws);
      await using through = await connectChain({ endpoints: [proxy.ws], backoff: { minMs: 1, maxMs: 5 } });
      // Each by itself: of requests that are made side by side one would take the refusals of all the others.
      const times = new Map<string, number>();
      const each = 12;
      const reads = ['chain_getHeader', 'chain_getBlockHash', 'chain_getFinalizedHead'];
      proxy.refuse = (method, params) => {
        const name = `${method} ${JSON.stringify(params)}`;
        const refused = times.get(name) ?? 0;
        if (!reads.includes(method) || refused === each) return undefined;
        times.set(name, refused + 1);
        return new Refusal('Too many requests', code);
      };
      await dev.newBlock({ count: 30 });
      using finalized = record(through.finalizedHeads$({ from: 0 }));
      using best = record(through.bestHeads$({ from: 0 }));
      await finalized.until((events) => events.at(-1)?.head.hash === dev.finalized.hash);
      await best.until((events) => events.at(-1)?.head.hash === dev.head.hash);
      assert.ok(isChain(finalized.values) && isChain(best.values));
      assert.ok(times.size > 30, `${times.size} requests`);
      assert.ok([...times.values()].filter((refused) => refused === each).length > 30);
    });

  for (const finality of ['best', 'finalized'] as const)
    it(`of ${finality} go on where no node answers for longer than a call waits, in the middle of a gap`, async () => {
      await dev.newBlock({ count: 30 });
      await using proxy = await startRpcProxy(dev.ws);
      await using through = await connectChain({
        endpoints: [proxy.ws],
        timeoutMs: 1_000,
        backoff: { minMs: 10, maxMs: 50 },
      });
      let gone: Promise<unknown> | undefined;
      proxy.hold = (method, [hash]) => {
        const isWithin = method === 'chain_getHeader' && hash !== dev.head.hash && hash !== dev.finalized.hash;
        if (gone !== undefined || !isWithin) return undefined;
        proxy.isClosed = true;
        gone = new Promise((resolve) => setTimeout(resolve, 2_500)).then(() => (proxy.isClosed = false));
        proxy.cut();
        return gone;
      };
      using heads = record(through[finality === 'best' ? 'bestHeads$' : 'finalizedHeads$']({ from: 1 }));
      const last = finality === 'best' ? dev.head : dev.finalized;
      await heads.until((events) => events.at(-1)?.head.hash === last.hash);
      assert.notEqual(gone, undefined);
      assert.ok(isChain(heads.values));
      assert.equal(heads.values.length, last.number);
    });

  it('say why a header can not be had, in the words of the node', async () => {
    await using proxy = await startRpcProxy(dev.ws);
    await using through = await connectChain({ endpoints: [proxy.ws] });
    proxy.refuse = (method) => (method === 'chain_getHeader' ? new Refusal('Rate limit reached', 4_290) : undefined);
    await assert.rejects(through.headOf(dev.head.hash), withCode('rpc-failed', 'Rate limit reached'));
  });

  it('fail where a finalized block was replaced', async () => {
    await using proxy = await startProxy(dev.ws);
    await using through = await connectChain({ endpoints: [proxy.ws], backoff: { minMs: 10, maxMs: 20 } });
    await dev.newBlock({ count: 10 });
    using finalized = record(through.finalizedHeads$());
    await finalized.until((events) => events.at(-1)?.head.hash === dev.finalized.hash);
    // A chain of the same genesis with other blocks, as after `--tmp` was started anew at the same address.
    await using anew = await startDevChain({ finalityLag: 0 });
    assert.equal(anew.genesisHash, dev.genesisHash);
    await anew.newBlock({ count: 20, timestamp: Date.now() + 60_000 });
    proxy.retarget(anew.ws);
    proxy.cut();
    await assert.rejects(
      finalized.until(() => false),
      withCode('chain-forked'),
    );
  });
});

describe('the watchdog', () => {
  const warnings: string[] = [];
  const logger = { debug: () => undefined, warn: (_: object, text: string) => void warnings.push(text) };
  beforeEach(() => void warnings.splice(0));

  it('replaces a socket that is silent', async () => {
    await using dev = await startDevChain();
    await using proxy = await startProxy(dev.ws);
    await using chain = await connectChain({ endpoints: [proxy.ws], silenceMs: 100, logger });
    using heads = record(chain.finalizedHeads$());
    await heads.until(({ length }) => length > 0);
    proxy.freeze();
    await dev.newBlock({ count: 3 });
    await heads.until((events) => events.at(-1)?.head.hash === dev.head.hash);
    assert.ok(isChain(heads.values));
    assert.ok(warnings.includes('connection lost'));
  });

  it('leaves a node that stands still while another goes on', async () => {
    await using stuck = await startDevChain();
    await using dev = await startDevChain();
    assert.equal(stuck.genesisHash, dev.genesisHash);
    await using chain = await connectChain({ endpoints: [stuck.ws, dev.ws], silenceMs: 50, logger });
    using heads = record(chain.bestHeads$({ from: 2 }));
    await dev.newBlock({ count: 6 });
    await heads.until((events) => events.at(-1)?.head.hash === dev.head.hash);
    assert.ok(warnings.includes('connection replaced'));
  });

  it('leaves a chain alone that makes no blocks', async () => {
    await using dev = await startDevChain();
    await using proxy = await startRpcProxy(dev.ws);
    await using chain = await connectChain({ endpoints: [proxy.ws], silenceMs: 5, logger });
    using heads = record(chain.finalizedHeads$());
    await heads.until(({ length }) => length > 0);
    // Nobody else asks for it.
    const probes = (): number => proxy.asked.get('chain_getFinalizedHead') ?? 0;
    const before = probes();
    await until(() => probes() >= before + 8);
    assert.equal(proxy.asked.get('chain_subscribeFinalizedHeads'), 1);
    assert.deepEqual(warnings, []);
    await dev.newBlock();
    await heads.until((events) => events.at(-1)?.head.hash === dev.head.hash);
    assert.equal(proxy.asked.get('chain_subscribeFinalizedHeads'), 1);
  });
});
