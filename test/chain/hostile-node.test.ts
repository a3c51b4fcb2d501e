import assert from 'node:assert/strict';
import { hashHeader, parseHeader } from '../../src/chain/head/header.ts';
import { connectChain, type BlockId, type Chain, type HeadEvent, type MessageSpan } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { watchWorkerState } from '../../src/worker-state/index.ts';
import { useEndpoints } from '../support/endpoints.ts';
import { inventBranch, type InventedBranch } from '../support/invented-branch.ts';
import { Refusal, Reply, type Alter, type RpcProxy } from '../support/rpc-proxy.ts';
import { assertNewest, describeOnChains } from '../support/shared-chain.ts';
import { until } from '../support/until.ts';
import { isChain, numbers, record, withCode, type Recorder } from './support.ts';

/** Some frames that are JSON, and nothing that a node may send. */
const noJsonRpc = ['null', '[null]', '7', '"text"', '[[],1]', '{"jsonrpc":"2.0","method":"x","params":3}'];

type Follow = (chain: Chain, after: BlockId, signal: AbortSignal) => AsyncGenerator<HeadEvent | MessageSpan>;

/** Whether that block was given. */
const has =
  ({ hash }: BlockId) =>
  (events: readonly HeadEvent[]): boolean =>
    events.some(({ head }) => head.hash === hash);

describeOnChains('a node that answers with nonsense', { workers: 3 }, (node) => {
  const { proxy, connect } = useEndpoints(() => node.ws);
  before(() => node.grow(5));

  /** Until heads, which may not have begun, have come to one that is made now. */
  const goesOn = async ({ until }: Recorder<HeadEvent>): Promise<void> => {
    await until(({ length }) => length > 0);
    await until(has(await node.grow()));
  };
  /** Lets the chain go on until something holds, with time between the blocks. */
  const growUntil = async (holds: () => boolean, pauseMs = 200): Promise<void> => {
    while (!holds()) {
      await node.grow();
      const next = performance.now() + pauseMs;
      await until(() => holds() || performance.now() >= next);
    }
  };

  for (const text of noJsonRpc)
    it(`loses its connection where it sends ${text}, and nothing else`, async () => {
      const bad = await proxy();
      const chain = await connect([bad.ws, node.ws]);
      bad.fault = () => ({ kind: 'replace', text });
      const before = await node.newest();
      await assertNewest(node, await chain.finalizedHead(), before);
      assert.ok((bad.made.get('replace') ?? 0) > 0);
    });

  for (const [what, alter] of [
    ['no header', (method, _, result) => (method === 'chain_getHeader' ? null : result)],
    ['no hash', (method, _, result) => (method === 'chain_getFinalizedHead' ? 7 : result)],
    ['another chain', (method, _, result) => (method === 'chain_getBlockHash' ? `0x${'13'.repeat(32)}` : result)],
  ] as readonly (readonly [string, Alter])[])
    it(`does not end the connection where it has ${what} while another one is away`, async () => {
      const away = await proxy();
      const odd = await proxy(alter);
      const chain = await connect([away.ws, odd.ws]);
      using heads = record(chain.finalizedHeads$());
      await heads.until(({ length }) => length === 1);
      away.isClosed = true;
      away.cut();
      await until(() => (odd.asked.get('chain_getFinalizedHead') ?? 0) > 2);
      away.isClosed = false;
      await heads.until(has(await node.grow()));
      assert.ok(isChain(heads.values));
    });

  for (const [what, lie] of [
    ['a number far ahead', ({ number }) => ({ number: `0x${(Number(number) + 1_000).toString(16)}` })],
    ['the number after its own', ({ number }) => ({ number: `0x${(Number(number) + 1).toString(16)}` })],
    ['a parent that nobody has', () => ({ parentHash: `0x${'12'.repeat(32)}` })],
  ] as readonly (readonly [string, (header: { number: string }) => object])[])
    it(`leads nobody astray where it tells of best heads with ${what}`, async () => {
      const liar = await proxy((method, _, result) =>
        method === 'chain_newHead' ? { ...(result as object), ...lie(result as { number: string }) } : result,
      );
      const chain = await connect([liar.ws, node.ws]);
      const after = await node.newest('best');
      await node.grow(3);
      using heads = record(chain.bestHeads$({ after }));
      using anew = record(chain.bestHeads$());
      for (const each of [heads, anew]) await goesOn(each);
      await node.grow(20);
      for (const each of [heads, anew]) await goesOn(each);
      for (const { values } of [heads, anew]) assert.ok(isChain(values), numbers(values));
      assert.ok((liar.asked.get('chain_subscribeNewHeads') ?? 0) > 0);
    });

  const cutElsewhere = ({ stateRoot, extrinsicsRoot }: { stateRoot: string; extrinsicsRoot: string }) => ({
    stateRoot: stateRoot.slice(0, 4),
    extrinsicsRoot: `0x${stateRoot.slice(4)}${extrinsicsRoot.slice(2)}`,
  });
  for (const [asked, when, ask] of [
    ['chain_getHeader', 'from the beginning', () => Promise.resolve()],
    ['chain_getHeader', 'for a block', (chain) => chain.finalizedHead()],
    [
      'chain_getHeader',
      'for many blocks',
      async (chain) => {
        using heads = record(chain.finalizedHeads$({ from: 0 }));
        await goesOn(heads);
      },
    ],
    [
      'chain_getHeader',
      'for the newest block where its subscription is silent',
      async (chain, liar) => {
        using heads = record(chain.finalizedHeads$());
        await heads.until((events) => events.length > 0);
        liar.fault = ({ isNotification }) => (isNotification ? { kind: 'swallow' } : undefined);
        await heads.until(has(await node.grow()));
      },
    ],
    [
      'chain_finalizedHead',
      'where it tells of a head',
      async (chain) => {
        using heads = record(chain.finalizedHeads$());
        await goesOn(heads);
      },
    ],
  ] as readonly (readonly [string, string, (chain: Chain, liar: RpcProxy) => Promise<unknown>])[])
    it(`is named and left where it gives no fields that a header has, ${when}`, async () => {
      const lie: Alter = (method, _, result) =>
        method === asked
          ? { ...(result as object), ...cutElsewhere(result as Parameters<typeof cutElsewhere>[0]) }
          : result;
      const liar = await proxy();
      if (when === 'from the beginning') liar.alter = lie;
      const chain = await connect([liar.ws, (await proxy()).ws], { silenceMs: 300 });
      const told = record(chain.nodeFaults$);
      liar.alter = lie;
      await ask(chain, liar);
      await told.until(({ length }) => length > 0);
      assert.deepEqual(
        chain.nodeFaults.map(({ url, isLeft, error }) => [url, isLeft, error.code]),
        [[liar.ws, true, 'node-lies']],
      );
      assert.match(String(told.values[0]?.error.message), /not of 32 bytes/);
      const before = await node.newest();
      await assertNewest(node, await chain.finalizedHead(), before);
    });

  it('has no more than a line kept of what it tells, however long a number it gives', async () => {
    const liar = await proxy((method, _, result) =>
      method === 'chain_finalizedHead' ? { ...(result as object), number: 'x'.repeat(1_000_000) } : result,
    );
    const chain = await connect([liar.ws, (await proxy()).ws]);
    using faults = record(chain.nodeFaults$);
    using heads = record(chain.finalizedHeads$());
    await faults.until(({ length }) => length > 0);
    const [{ url, error } = assert.fail()] = faults.values;
    assert.deepEqual([url, error.code], [liar.ws, 'node-lies']);
    assert.ok(error.message.length < 1_000, `${error.message.length} characters`);
    await goesOn(heads);
  });

  it('is what the error names where it gives no fields that a header has and is the only one', async () => {
    const liar = await proxy((method, _, result) => (method === 'chain_getHeader' ? {} : result));
    await assert.rejects(connectChain({ endpoints: [liar.ws] }), withCode('node-lies', liar.ws));
  });

  it('is not named where it has no header, or what is none, for a hash', async () => {
    for (const nothing of [null, 7, 'text', []]) {
      const odd = await proxy();
      const chain = await connect([odd.ws, (await proxy()).ws]);
      odd.alter = (method, _, result) => (method === 'chain_getHeader' ? nothing : result);
      const before = await node.newest();
      await assertNewest(node, await chain.finalizedHead(), before);
      assert.ok((odd.asked.get('chain_getHeader') ?? 0) > 1);
      assert.deepEqual(chain.nodeFaults, []);
    }
  });

  for (const [more, when] of [
    [1, 'later'],
    [2, 'later'],
    [1_000, 'later'],
    [1_000, 'first'],
  ] as const)
    it(`leads nobody astray where it tells ${when} of finalized heads with a number ${more} too high`, async () => {
      let isOdd = when === 'first';
      const liar = await proxy((method, _, result) => {
        if (!isOdd || method !== 'chain_finalizedHead') return result;
        const { number } = result as { number: string };
        return { ...(result as object), number: `0x${(Number(number) + more).toString(16)}` };
      });
      const chain = await connect([liar.ws, node.ws]);
      using heads = record(chain.finalizedHeads$());
      await heads.until((events) => events.length > 0);
      isOdd = true;
      await node.grow(3);
      await heads.until(has(await node.grow()));
      assert.ok(isChain(heads.values));
    });

  for (const [what, follow, quorum] of [
    ['heads', (chain, after, signal) => chain.headEvents({ after }, signal)],
    [
      'proven messages',
      (chain, after, signal) => chain.messages.follow(after, { topics: [], verify: true }, signal),
      1,
    ],
    ['messages', (chain, after, signal) => chain.messages.follow(after, { topics: [], verify: false }, signal)],
  ] as readonly (readonly [string, Follow, number?])[])
    it(`holds up nobody who follows ${what} by telling once of linked finalized heads that nobody has, and going away`, async () => {
      const branch = inventBranch({ number: 1_000_000, hash: `0x${'12'.repeat(32)}` });
      branch.next();
      const top = branch.next();
      let isLying = false;
      let askedBefore: number | undefined;
      const liar = await proxy((method, [hash], result) => {
        if (method === 'chain_finalizedHead' && isLying) {
          askedBefore ??= finalizedAsked();
          return top;
        }
        return method === 'chain_getHeader' ? (branch.header(hash as Hex) ?? result) : result;
      });
      const finalizedAsked = (): number => liar.asked.get('chain_getFinalizedHead') ?? 0;
      const warnings: string[] = [];
      const logger = { debug: () => undefined, warn: (_: object, text: string) => void warnings.push(text) };
      const chain = await connect([liar.ws, (await proxy()).ws], { logger, ...(quorum !== undefined && { quorum }) });
      const leaving = new AbortController();
      const start = await node.newest();
      let reached = 0;
      const following = (async () => {
        for await (const event of follow(chain, start, leaving.signal))
          reached = 'head' in event ? event.head.number : event.through.number;
      })();
      following.catch(() => undefined);
      const before = await node.grow();
      await until(() => reached >= before.number);
      isLying = true;
      await node.grow();
      // It is waited for the blocks below.
      await until(() => finalizedAsked() > (askedBefore ?? Infinity));
      liar.isClosed = true;
      liar.cut();
      const cut = await node.newest();
      await growUntil(() => reached > cut.number);
      assert.ok(reached <= (await node.newest()).number);
      // Whether the liar's claim is still there when the honest one is looked at depends on the turn.
      const others = warnings.filter((warning) => warning !== 'endpoint is behind, another is tried');
      assert.deepEqual(others, ['connection lost'], 'the honest one is kept');
      leaving.abort();
      await assert.rejects(following, withCode('aborted'));
    });

  for (const [what, follow] of [
    ['heads', (chain, after, signal) => chain.headEvents({ after }, signal)],
    ['messages', (chain, after, signal) => chain.messages.follow(after, { topics: [], verify: false }, signal)],
  ] as readonly (readonly [string, Follow])[])
    it(`ends nothing for who follows ${what} where it tells once of a finalized head with another parent: it is named and left`, async () => {
      let isOdd = false;
      let lies = 0;
      const liar = await proxy((method, _, result) => {
        if (!isOdd || method !== 'chain_finalizedHead' || lies++ > 0) return result;
        return { ...(result as object), parentHash: `0x${'12'.repeat(32)}` };
      });
      const other = await proxy();
      const chain = await connect([liar.ws, other.ws]);
      const leaving = new AbortController();
      const start = await node.newest();
      let reached = 0;
      const following = (async () => {
        for await (const event of follow(chain, start, leaving.signal))
          reached = 'head' in event ? event.head.number : event.through.number;
      })();
      following.catch(() => undefined);
      const followsOn = async (): Promise<void> => {
        const { number } = await node.grow();
        await until(() => reached >= number);
      };
      await followsOn();
      const quiet = other.asked.get('chain_getBlockHash') ?? 0;
      for (let block = 0; block < 5; block++) await followsOn();
      assert.equal(other.asked.get('chain_getBlockHash') ?? 0, quiet, 'nobody else is asked without need');
      isOdd = true;
      await node.grow();
      await Promise.race([following, until(() => chain.nodeFaults.length > 0)]);
      await Promise.race([following, followsOn()]);
      assert.deepEqual(
        chain.nodeFaults.map(({ url, isLeft, error }) => [url, isLeft, error.code]),
        [[liar.ws, true, 'node-lies']],
      );
      leaving.abort();
      await assert.rejects(following, withCode('aborted'));
    });

  for (const [honest, isConsistent] of [
    [1, false],
    [2, false],
    [2, true],
  ] as const)
    it(`has what it made up taken back, where it told once of a finalized head that nobody has, and is named (others: ${honest}, by number too: ${isConsistent})`, async () => {
      const made: { number?: number; hash?: Hex; header?: { stateRoot: Hex } } = {};
      let isOdd = false;
      const liar = await proxy((method, [of], result) => {
        if (method === 'chain_finalizedHead' && isOdd && made.header === undefined) {
          made.header = { ...(result as object), stateRoot: `0x${'12'.repeat(32)}` };
          const header = parseHeader(made.header);
          Object.assign(made, { number: header.number, hash: hashHeader(header) });
          return made.header;
        }
        if (made.hash === undefined || !isConsistent) return result;
        if (method === 'chain_getHeader' && of === made.hash) return made.header;
        return method === 'chain_getBlockHash' && of === made.number ? made.hash : result;
      });
      liar.refuse = (method, params) => {
        if (!made.hash || !params.includes(made.hash)) return undefined;
        if (method === 'state_queryStorage') return new Refusal('Method not found');
        return method === 'state_getStorage' ? new Reply(null) : undefined;
      };
      const others = await Promise.all(Array.from({ length: honest }, () => proxy()));
      const chain = await connect([liar.ws, ...others.map(({ ws }) => ws)]);
      using heads = record(chain.finalizedHeads$());
      await heads.until((events) => events.length > 0);
      const leaving = new AbortController();
      const spans: MessageSpan[] = [];
      const following = (async () => {
        const options = { topics: [], verify: false };
        for await (const span of chain.messages.follow(heads.values[0]!.head, options, leaving.signal))
          spans.push(span);
      })();
      const watches = [watchWorkerState(chain), watchWorkerState(chain, { verify: false })];
      try {
        for (const { ready } of watches) await ready;
        isOdd = true;
        await node.grow();
        const wasRead = ({ through }: MessageSpan): boolean => through.hash === made.hash;
        await heads.until((events) => events.some(({ head }) => head.hash === made.hash));
        await Promise.race([following, until(() => spans.some(wasRead))]);
        await growUntil(() => chain.nodeFaults.length > 0, 20);
        const last = await node.grow();
        await heads.until(has(last));
        assert.ok(isChain(heads.values), numbers(heads.values));
        const taken = heads.values.filter(({ type }) => type === 'retracted');
        assert.deepEqual(
          taken.map(({ head }) => head.hash),
          [made.hash],
        );
        await Promise.race([following, until(() => (spans.at(-1)?.through.number ?? 0) >= last.number)]);
        const at = spans.findIndex(({ type }) => type === 'retracted');
        assert.equal(spans[at - 1]?.through.hash, made.hash);
        assert.equal(spans[at]?.through.number, made.number! - 1);
        assert.equal(spans[at].through.hash, (await chain.headAt(made.number! - 1))?.hash);
        assert.equal(spans.filter(({ type }) => type === 'retracted').length, 1);
        for (const { state } of watches) {
          await until(() => state.at.block >= last.number);
          assert.equal(state.at.hash, await node.hashAt(state.at.block));
        }
        assert.deepEqual(
          chain.nodeFaults.map(({ url, isLeft, error }) => [url, isLeft, error.code]),
          [[liar.ws, true, 'node-lies']],
        );
        leaving.abort();
        await assert.rejects(following, withCode('aborted'));
      } finally {
        leaving.abort();
        for (const watch of watches) await watch.stop();
      }
    });

  it('has no gap seen where it tells once of a made-up finalized head with a state that nobody has', async () => {
    let made: Hex | undefined;
    let isOdd = false;
    const liar = await proxy((method, _, result) => {
      if (method !== 'chain_finalizedHead' || !isOdd || made !== undefined) return result;
      const header = { ...(result as object), stateRoot: `0x${'12'.repeat(32)}` };
      made = hashHeader(parseHeader(header));
      return header;
    });
    const chain = await connect([liar.ws, (await proxy()).ws]);
    const leaving = new AbortController();
    const start = await node.newest();
    const spans: MessageSpan[] = [];
    const following = (async () => {
      const options = { topics: [], verify: false };
      for await (const span of chain.messages.follow(start, options, leaving.signal)) spans.push(span);
    })();
    const reached = (): number => spans.at(-1)?.through.number ?? 0;
    const { number } = await node.grow();
    await Promise.race([following, until(() => reached() >= number)]);
    isOdd = true;
    await node.grow();
    await until(() => made !== undefined);
    const lied = await node.newest();
    await growUntil(() => reached() > lied.number, 20);
    assert.ok(spans.every(({ type, through }) => type === 'blocks' && through.hash !== made));
    leaving.abort();
    await assert.rejects(following, withCode('aborted'));
  });

  it('stops nobody by telling first of a linked finalized head that is far ahead: it is taken back when another goes on', async () => {
    const branch = inventBranch({ number: 1_000_000, hash: `0x${'12'.repeat(32)}` });
    branch.next();
    const top = branch.next();
    let isLying = true;
    const liar = await proxy((method, [hash], result) => {
      if (method === 'chain_finalizedHead' && isLying) return top;
      return method === 'chain_getHeader' ? (branch.header(hash as Hex) ?? result) : result;
    });
    const chain = await connect([liar.ws, (await proxy()).ws]);
    using heads = record(chain.finalizedHeads$());
    await heads.until((events) => events.length > 0);
    assert.ok(branch.hashes.has(heads.values[0]!.head.hash));
    isLying = false;
    await growUntil(() => !branch.hashes.has(heads.values.at(-1)!.head.hash), 20);
    await goesOn(heads);
    assert.ok(isChain(heads.values), numbers(heads.values));
    assert.deepEqual(
      chain.nodeFaults.map(({ url, isLeft, error }) => [url, isLeft, error.code]),
      [[liar.ws, false, 'endpoints-disagree']],
    );
  });

  it('ends nothing with an error where the chain is stopped while others are asked about its head', async () => {
    let isOdd = false;
    let asks = 0;
    const liar = await proxy((method, _, result) =>
      isOdd && method === 'chain_finalizedHead'
        ? { ...(result as object), parentHash: `0x${'12'.repeat(32)}` }
        : result,
    );
    const others = [await proxy(), await proxy()];
    const chain = await connect([liar.ws, ...others.map(({ ws }) => ws)]);
    using heads = record(chain.finalizedHeads$());
    await heads.until((events) => events.length > 0);
    for (const other of others) other.hold = () => (asks++, new Promise(() => undefined));
    isOdd = true;
    await node.grow();
    await until(() => asks > 0);
    await chain.stop();
    await until(() => heads.isComplete || heads.failure !== undefined);
    assert.equal(heads.failure, undefined);
  });

  it('is named where it told of a finalized head that others turn out to have another of', async () => {
    const made: { branch?: InventedBranch } = {};
    let isLying = false;
    const invent = (after: number): InventedBranch => {
      const branch = inventBranch({ number: after, hash: `0x${'12'.repeat(32)}` });
      branch.next();
      branch.next();
      return branch;
    };
    const liar = await proxy((method, [hash], result) => {
      if (method === 'chain_finalizedHead' && isLying)
        return (made.branch ??= invent(Number((result as { number: string }).number) + 1)).tip;
      return method === 'chain_getHeader' ? (made.branch?.header(hash as Hex) ?? result) : result;
    });
    const chain = await connect([liar.ws, (await proxy()).ws, (await proxy()).ws]);
    using heads = record(chain.finalizedHeads$());
    await heads.until((events) => events.length > 0);
    isLying = true;
    await node.grow();
    await growUntil(() => chain.nodeFaults.length > 0, 50);
    assert.deepEqual(
      chain.nodeFaults.map(({ url, isLeft, error }) => [url, isLeft, error.code]),
      [[liar.ws, true, 'node-lies']],
    );
    await goesOn(heads);
    assert.ok(isChain(heads.values), numbers(heads.values));
  });

  for (const [what, quorum] of [
    ['an honest one', 2],
    ['an honest one, where one node is believed,', 1],
  ] as const)
    it(`does not bring ${what} into disrepute by telling of a made-up finalized branch and going away`, async () => {
      let told: unknown;
      let isHolding = false;
      const made: { branch?: InventedBranch } = {};
      let top: unknown;
      const liar = await proxy((method, [hash], result) => {
        if (method === 'chain_finalizedHead') return isHolding ? (top ?? (told ??= result)) : result;
        return method === 'chain_getHeader' ? (made.branch?.header(hash as Hex) ?? result) : result;
      });
      const honest = await proxy();
      const lies: string[] = [];
      const logger = {
        debug: () => undefined,
        warn: (facts: object, text: string) => {
          if (text.includes('lies')) lies.push(JSON.stringify(facts));
        },
      };
      const chain = await connect([liar.ws, honest.ws], { logger, quorum });
      using heads = record(chain.finalizedHeads$());
      await heads.until(({ length }) => length > 0);
      await heads.until(has(await node.grow()));
      isHolding = true;
      const branch = inventBranch(await node.newest());
      made.branch = branch;
      await node.grow(5);
      await until(() => told !== undefined);
      for (let block = 0; block < 4; block++) top = branch.next();
      let cuts = 0;
      liar.hold = (method, [asked]) => {
        if (method !== 'chain_getHeader' || cuts > 0 || branch.header(asked as Hex) === undefined) return undefined;
        cuts += 1;
        liar.cut();
        return undefined;
      };
      await node.grow();
      await until(() => cuts > 0 && (honest.asked.get('chain_getBlockHash') ?? 0) > 0);
      isHolding = false;
      const truth = await node.newest();
      await growUntil(() => has(truth)(heads.values));
      assert.ok(isChain(heads.values), numbers(heads.values));
      assert.deepEqual(
        lies.filter((lie) => !lie.includes(liar.ws)),
        [],
      );
      assert.ok(chain.nodeFaults.every(({ url }) => url === liar.ws));
    });

  it('holds nobody who is cut off the others by saying that it is far ahead of them', async () => {
    const fake = `0x${'fa'.repeat(32)}`;
    const header = {
      parentHash: fake,
      stateRoot: fake,
      extrinsicsRoot: fake,
      number: '0x1fffffff',
      digest: { logs: [] },
    };
    const liar = await proxy((method, [hash], result) => {
      if (method === 'chain_getFinalizedHead') return fake;
      return method === 'chain_getHeader' && hash === fake ? header : result;
    });
    liar.fault = ({ isNotification }) => (isNotification ? { kind: 'swallow' } : undefined);
    const honest = [await proxy(), await proxy()];
    const chain = await connect([...honest.map(({ ws }) => ws), liar.ws], { quorum: 2 });
    using heads = record(chain.finalizedHeads$({ agreed: true }));
    await heads.until(({ length }) => length > 0);
    honest[0]?.cut();
    await until(() => honest.slice(1).some(({ asked }) => (asked.get('chain_subscribeFinalizedHeads') ?? 0) > 0));
    await heads.until(has(await node.grow(3)));
    assert.ok(isChain(heads.values));
  });

  it('is replaced where it says the same head again and again while others go on', async () => {
    const stale = await proxy();
    const chain = await connect([stale.ws, (await proxy()).ws, (await proxy()).ws], { silenceMs: 1_000, quorum: 2 });
    using heads = record(chain.finalizedHeads$({ agreed: true }));
    await heads.until(({ length }) => length > 0);
    let old: unknown;
    const { hash: oldHash } = await node.newest();
    stale.alter = (method, _, result) => {
      if (method === 'chain_finalizedHead') return (old ??= result);
      return method === 'chain_getFinalizedHead' ? oldHash : result;
    };
    const later = await node.grow(8);
    await growUntil(() => has(later)(heads.values));
    assert.ok(isChain(heads.values));
  });

  for (const agreed of [true, false])
    it(`is replaced where it tells of heads long after the others, each once (agreed: ${agreed})`, async () => {
      const first = await proxy();
      const late = await proxy();
      const told: unknown[] = [];
      late.alter = (method, _, result) => {
        if (method !== 'chain_finalizedHead') return result;
        told.push(result);
        return told.at(-30) ?? told[0];
      };
      const endpoints = [first.ws, late.ws, (await proxy()).ws];
      const chain = await connect(endpoints, { silenceMs: 1_000, quorum: 2 });
      // It has told of some before it is used.
      await using own = await connectChain({ endpoints: [late.ws] });
      using _own = record(own.finalizedHeads$());
      using heads = record(chain.finalizedHeads$({ agreed }));
      await heads.until(({ length }) => length > 0);
      for (let block = 0; block < 40; block++) await node.grow();
      await goesOn(heads);
      first.isClosed = true;
      first.cut();
      const later = await node.grow(8);
      await growUntil(() => has(later)(heads.values));
      assert.ok(isChain(heads.values));
    });

  it('is left for another one where it refuses the hashes of many blocks, in whatever words', async () => {
    const odd = await proxy();
    const chain = await connect([odd.ws, (await proxy()).ws]);
    let refused = 0;
    odd.refuse = (method, [numbers]) =>
      method === 'chain_getBlockHash' && Array.isArray(numbers)
        ? (refused++, new Refusal('Invalid params', -32602))
        : undefined;
    const last = await node.grow(6);
    using heads = record(chain.finalizedHeads$({ from: 0 }));
    await heads.until(has(last));
    assert.ok(isChain(heads.values));
    assert.ok(refused > 0, 'it refused');
  });

  it('is left for another one where it has another block, that there is, for each number', async () => {
    const liar = await proxy();
    const chain = await connect([liar.ws, (await proxy()).ws]);
    const first = (await chain.headAt(1))?.hash;
    let lies = 0;
    liar.alter = (method, [number], result) =>
      method === 'chain_getBlockHash' && typeof number === 'number' && number > 0 && result !== null
        ? (lies++, first)
        : result;
    using heads = record(chain.bestHeads$({ from: 0 }));
    await heads.until((events) => events.length > 0);
    await heads.until(has(await node.grow(40)));
    assert.ok(isChain(heads.values));
    assert.ok(lies > 0, 'it lied');
  });

  for (const [what, method, read] of [
    ['a header', 'chain_getHeader', (chain: Chain, hash: Hex) => chain.headOf(hash)],
    ['extrinsics', 'chain_getBlock', (chain: Chain, hash: Hex) => chain.at(hash).extrinsics()],
    ['hints', 'chain_getBlock', (chain: Chain, hash: Hex) => chain.at(hash).touchedWorkers()],
    ['a value', 'state_queryStorageAt', (chain: Chain, hash: Hex) => chain.at(hash).timestamp()],
  ] as const)
    it(`is asked once where it says that ${what} would be too large, and others have it`, async () => {
      const odd = await proxy();
      const [among, alone] = [await connect([odd.ws, (await proxy()).ws]), await connect([odd.ws])];
      let refused = 0;
      odd.refuse = (asked) => (asked === method ? (refused++, new Refusal('Response is too big', -32_008)) : undefined);
      const { hash } = await node.newest();
      await read(among, hash);
      assert.equal(refused, 1);
      await assert.rejects(read(alone, hash), withCode('bad-storage', 'too big'));
    });

  it('is not believed where it has another block for a number', async () => {
    const newest = await node.newest();
    const alone = await proxy((method, [number], result) =>
      method === 'chain_getBlockHash' && number === 3 ? newest.hash : result,
    );
    const chain = await connect([alone.ws]);
    await assert.rejects(chain.headAt(3), withCode('rpc-failed', `gives block ${newest.number}`));
    assert.equal((await chain.headAt(2))?.number, 2);
  });

  it('is counted once, however its URL is written', async () => {
    const { port } = new URL(node.ws);
    const same = [node.ws, `${node.ws}/`, `WS://127.0.0.1:${port}`];
    assert.equal((await connect(same)).trust, 'single');
    await assert.rejects(connectChain({ endpoints: same, quorum: 2 }), withCode('bad-quorum'));
  });
});
