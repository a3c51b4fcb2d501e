import assert from 'node:assert/strict';
import { accountFromSuri, connectChain, type Call, type Chain } from '../../src/chain/index.ts';
import { workerMessageContent, type Hex } from '../../src/codec/index.ts';
import { sign } from '../../src/crypto/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { alice, bob, openWallet, signedEndpoints, testWorker, utf8, withCode } from './support.ts';
import { rejected } from '../support/expect-error.ts';
import { Refusal, Reply, startRpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { startProxy } from './tcp-proxy.ts';

const topic = utf8('topic');
const push = (...payload: number[]): Call => ({
  kind: 'push-message',
  destination: topic,
  payload: Uint8Array.from(payload),
});
const worker = testWorker(1);
const register: Call = { kind: 'register-worker', identity: worker.identity, ecdhKey: worker.ecdhKey };

function workerMessage(sequence: bigint, payload: Uint8Array): Call {
  const message = { worker: worker.identity, destination: topic, payload };
  const signature = sign(worker.pair.secretKey, workerMessageContent(message, sequence));
  return { kind: 'sync-offchain-message', ...message, sequence, signature };
}

/** Payloads of all messages from block 0 to the head. */
async function payloads(chain: Chain): Promise<number[]> {
  const { number } = await chain.bestHead();
  const found: number[] = [];
  for (let block = 0; block <= number; block++) {
    const head = await chain.headAt(block);
    if (head === undefined) throw new Error(`block ${block} is missing`);
    for (const { payload } of await chain.at(head.hash).outboundMessages()) found.push(...payload);
  }
  return found;
}

describe('submit', () => {
  let dev: DevChain;
  let chain: Chain;
  beforeEach(async () => {
    dev = await startDevChain();
    chain = await connectChain({ endpoints: [dev.ws] });
  });
  afterEach(async () => {
    await chain.stop();
    await dev.stop();
  });

  it('tells in which block a call is', async () => {
    const { blockHash, blockNumber, extrinsicHash } = await chain.submit([push(1)], alice);
    assert.equal((await chain.headAt(blockNumber))?.hash, blockHash);
    assert.match(extrinsicHash, /^0x[0-9a-f]{64}$/);
    assert.deepEqual(await chain.at(blockHash).outboundMessages(), [
      { sender: { kind: 'account', id: alice.id }, destination: topic, payload: Uint8Array.of(1) },
    ]);
  });

  it('waits for finality where asked', async () => {
    await using lagging = await startDevChain({ finalityLag: 2 });
    await using client = await connectChain({ endpoints: [lagging.ws] });
    const finalized = client.submit([push(1)], alice, { waitFor: 'finalized' });
    await client.submit([push(2)], alice);
    await lagging.newBlock({ count: 3 });
    const { blockNumber } = await finalized;
    assert.ok(blockNumber <= lagging.finalized.number);
  });

  it('gives parallel calls of one account nonces of their own', async () => {
    const bytes = Array.from({ length: 12 }, (_, i) => i);
    await Promise.all(bytes.map((byte) => chain.submit([push(byte)], alice)));
    assert.deepEqual(
      (await payloads(chain)).sort((a, b) => a - b),
      bytes,
    );
  });

  it('comes through beside another program with the same account', async () => {
    await using other = await connectChain({ endpoints: [dev.ws] });
    await Promise.all([1, 2, 3, 4, 5, 6].map((byte) => (byte % 2 ? chain : other).submit([push(byte)], alice)));
    assert.deepEqual((await payloads(chain)).sort(), [1, 2, 3, 4, 5, 6]);
  });

  it('comes through where the other program holds back pooled extrinsics', async () => {
    await using slow = await startDevChain({ blockTimeMs: 300 });
    await using one = await connectChain({ endpoints: [slow.ws] });
    await using other = await connectChain({ endpoints: [slow.ws] });
    await Promise.all([1, 2, 3, 4, 5, 6].map((byte) => (byte % 2 ? one : other).submit([push(byte)], alice)));
    assert.deepEqual((await payloads(one)).sort(), [1, 2, 3, 4, 5, 6]);
  });

  it('registers a worker, publishes its endpoints and posts its messages', async () => {
    await chain.submit([register], bob);
    const signed = await signedEndpoints(chain, worker, ['http://a', 'http://b']);
    await chain.submit([{ kind: 'update-worker-endpoint', ...signed }], bob);
    const { blockHash } = await chain.submit([workerMessage(0n, utf8('hi'))], bob);
    const view = chain.at(blockHash);
    assert.deepEqual((await view.worker(worker.identity))?.endpoints, ['http://a', 'http://b']);
    assert.deepEqual(await view.outboundMessages(), [
      { sender: { kind: 'worker', id: worker.identity }, destination: topic, payload: utf8('hi') },
    ]);
    assert.equal(await view.ingressSequence(worker.identity), 1n);
  });

  it('registers through sudo, and says so where the account is not sudo', async () => {
    const operator = bob.id;
    const force: Call = { ...register, kind: 'force-register-worker', operator };
    await assert.rejects(chain.submit([force], bob), withCode('sudo-required', bob.id));
    const { blockHash } = await chain.submit([force, push(1)], alice);
    const { info } = (await chain.at(blockHash).worker(worker.identity))!;
    assert.equal(info.operator, operator);
    assert.equal(info.attestationProvider, 'Root');
    assert.deepEqual(info.ecdhKey, worker.ecdhKey);
  });

  for (const [how, calls] of [
    ['alone', [workerMessage(0n, topic)]],
    ['in a batch', [push(9), workerMessage(0n, topic)]],
  ] as const)
    it(`names PhalaMq.BadSequence, ${how}`, async () => {
      await chain.submit([register], alice);
      await chain.submit([workerMessage(0n, topic)], alice);
      await assert.rejects(chain.submit(calls, alice), withCode('dispatch-failed', 'PhalaMq.BadSequence'));
      assert.ok(!(await payloads(chain)).includes(9));
    });

  it("names the registry's errors", async () => {
    const signed = await signedEndpoints(chain, worker, ['http://a']);
    const update: Call = { kind: 'update-worker-endpoint', ...signed };
    const refusal = withCode('dispatch-failed', 'PhalaRegistry.InvalidPubKey');
    await assert.rejects(chain.submit([update], alice), refusal);
    await assert.rejects(
      chain.submit([{ ...update, signature: new Uint8Array(64) }], alice),
      withCode('dispatch-failed', 'PhalaRegistry.InvalidSignature'),
    );
  });

  it('lets the rest of a batch stand where asked, and tells what failed', async () => {
    const calls = [push(1), workerMessage(5n, topic), push(2)];
    await assert.rejects(chain.submit(calls, alice), withCode('dispatch-failed', 'PhalaMq.BadSequence'));
    const { failures, blockHash } = await chain.submit(calls, alice, { batch: 'each' });
    assert.deepEqual(failures, [{ index: 1, pallet: 'PhalaMq', error: 'BadSequence' }]);
    assert.equal((await chain.at(blockHash).outboundMessages()).length, 2);
  });

  it('refuses what does not fit into a block before it is posted', async () => {
    const big: Call = { kind: 'push-message', destination: topic, payload: new Uint8Array(6 << 20) };
    const { number } = dev.head;
    await assert.rejects(
      chain.submit([big], alice),
      withCode('extrinsic-too-large', String(chain.info.maxExtrinsicBytes)),
    );
    assert.equal(dev.head.number, number);
    const fits: Call = { ...big, payload: new Uint8Array(chain.info.maxExtrinsicBytes - 1_000) };
    await chain.submit([fits], alice);
  });

  it('tells an account that it can not pay', async () => {
    const poor = accountFromSuri('//nobody ever paid me');
    await assert.rejects(chain.submit([push(1)], poor), withCode('balance-too-low', poor.id, '0 PHA'));
  });

  for (const [what, destination] of [
    ['an empty topic', utf8('')],
    ['a reserved topic', utf8('/x')],
    ["a pallet's topic", utf8('^x')],
  ] as const)
    it(`refuses ${what}, from which nothing would come out`, () =>
      assert.rejects(
        chain.submit([{ kind: 'push-message', destination, payload: topic }], alice),
        withCode('bad-topic'),
      ));

  it('refuses to submit nothing', () => assert.rejects(chain.submit([], alice), withCode('no-calls')));

  it('stops waiting when the signal fires', async () => {
    await using slow = await startDevChain({ blockTimeMs: 60_000 });
    await using client = await connectChain({ endpoints: [slow.ws] });
    const stopping = new AbortController();
    const waiting = client.submit([push(1)], alice, { signal: stopping.signal });
    const queued = client.submit([push(2)], alice, { signal: stopping.signal });
    stopping.abort();
    await assert.rejects(waiting, withCode('aborted'));
    await assert.rejects(queued, withCode('aborted'));
  });

  it('gives what a node was given and does not answer to who stops waiting, and does not say that it was not', async () => {
    await using proxy = await startRpcProxy(dev.ws);
    await using client = await connectChain({ endpoints: [proxy.ws] });
    const stopping = new AbortController();
    proxy.hold = (method) => {
      if (method !== 'author_submitAndWatchExtrinsic') return undefined;
      stopping.abort();
      return new Promise(() => undefined);
    };
    const signed: string[] = [];
    const beforePost = ({ hash }: { readonly hash: string }): Promise<void> => {
      signed.push(hash);
      return Promise.resolve();
    };
    const { hash } = await client.post([push(1)], alice, { beforePost, signal: stopping.signal });
    assert.deepEqual(signed, [hash]);
  });

  it('tells what became of an extrinsic that a node refused', async () => {
    const posted = await chain.post([push(1)], alice);
    const { bytes: _, ...facts } = posted;
    const { blockHash } = await chain.follow(posted, { waitFor: 'finalized' });
    const superseded = { ...facts, hash: `0x${'11'.repeat(32)}` } as const;
    const waiting = { ...facts, hash: `0x${'22'.repeat(32)}`, nonce: facts.nonce + 1 } as const;
    const aged = { ...waiting, hash: `0x${'33'.repeat(32)}`, death: 0 } as const;
    const { by, of } = await chain.fates([facts, superseded, waiting, aged]);
    const fate = of.get(facts.hash);
    assert.ok(fate?.kind === 'included' && fate.isFinal);
    assert.equal(fate.inclusion.blockHash, blockHash);
    assert.deepEqual(of.get(superseded.hash), { kind: 'dead', isFinal: true });
    assert.deepEqual(of.get(waiting.hash), { kind: 'open', nextNonce: facts.nonce + 1 });
    assert.deepEqual(of.get(aged.hash), { kind: 'dead', isFinal: true });
    assert.equal((await chain.headAt(by.number))?.hash, by.hash);
  });

  it('tells it by a deep block where finality lags, and by another one where a reorg takes that', async () => {
    await using lagging = await startDevChain({ finalityLag: 200 });
    await using proxy = await startRpcProxy(lagging.ws);
    await using client = await connectChain({ endpoints: [proxy.ws] });
    const posted = await client.post([push(1)], alice);
    const { bytes: _, ...facts } = posted;
    const { blockNumber } = await client.follow(posted);
    await lagging.newBlock({ count: 40, empty: true });
    const told = await client.fates([facts]);
    assert.equal(told.by.number, lagging.head.number - 32);
    const fate = told.of.get(facts.hash);
    assert.ok(fate?.kind === 'included' && !fate.isFinal);
    assert.equal(fate.inclusion.blockNumber, blockNumber);
    await lagging.newBlock({ empty: true });
    const heads = ['chain_getFinalizedHead', 'chain_getBlockHash', 'chain_getHeader'];
    proxy.refuse = (method) => (heads.includes(method) ? undefined : new Refusal('nothing more is asked'));
    const later = await client.fates([facts], undefined, told);
    assert.equal(later.by.number, told.by.number + 1);
    assert.deepEqual(later.of.get(facts.hash), fate);
    proxy.refuse = () => undefined;
    const former = lagging.head;
    await lagging.reorg(blockNumber - 1, { resubmit: false });
    await lagging.newBlock({ empty: true });
    // A node that is behind takes nothing back, and tells nothing more.
    const next = { ...facts, hash: `0x${'11'.repeat(32)}`, death: 0 } as const;
    const behind = await client.fates([facts, next], undefined, later);
    assert.deepEqual(behind.by, later.by);
    assert.deepEqual(behind.of.get(facts.hash), fate);
    assert.deepEqual(behind.of.get(next.hash), { kind: 'open', nextNonce: facts.nonce });
    await lagging.newBlock({ count: former.number, empty: true });
    const elsewhere = await client.fates([facts], undefined, later);
    assert.deepEqual(elsewhere.of.get(facts.hash), { kind: 'open', nextNonce: facts.nonce });
    await lagging.newBlock({ count: 64, empty: true });
    const over = await client.fates([facts], undefined, elsewhere);
    assert.deepEqual(over.of.get(facts.hash), { kind: 'dead', isFinal: false });
    await lagging.reorg(former.hash);
    assert.deepEqual((await client.fates([facts])).of.get(facts.hash), fate);
    await lagging.newBlock({ count: 200, empty: true });
    assert.deepEqual((await client.fates([facts], undefined, later)).of.get(facts.hash), { ...fate, isFinal: true });
  });

  it('tells it by the blocks of one branch, though a reorg comes while they are read', async () => {
    await using lagging = await startDevChain({ finalityLag: 200 });
    await using proxy = await startRpcProxy(lagging.ws);
    await using client = await connectChain({ endpoints: [proxy.ws] });
    const posted = await client.post([push(1)], alice);
    const { bytes: _, ...facts } = posted;
    const { blockNumber, blockHash } = await client.follow(posted);
    await lagging.newBlock({ count: 40, empty: true });
    const by = await client.headAt(lagging.head.number - 32);
    let reorg: Promise<unknown> | undefined;
    proxy.hold = (method) => {
      if (method !== 'chain_getBlock') return undefined;
      reorg ??= lagging
        .reorg(blockNumber - 1, { resubmit: false })
        .then(() => lagging.newBlock({ count: 60, empty: true }));
      return reorg;
    };
    const fates = await client.fates([facts]);
    assert.ok(reorg !== undefined);
    const fate = fates.of.get(facts.hash);
    assert.ok(fate?.kind === 'included');
    assert.equal(fate.inclusion.blockHash, blockHash);
    assert.equal(fates.by.hash, by?.hash);
  });

  it('signs what is good on no chain without a block that it is told, or nothing where a reorg took that', async () => {
    await using lagging = await startDevChain({ finalityLag: 200 });
    await using client = await connectChain({ endpoints: [lagging.ws] });
    await lagging.newBlock({ count: 40, empty: true });
    const { by: after } = await client.fates([]);
    await lagging.newBlock({ count: 20, empty: true });
    const { anchor } = await client.post([push(1)], alice, { after });
    assert.equal(anchor, after.number + 20);
    const signed: Hex[] = [];
    await lagging.reorg(after.number - 1);
    await lagging.newBlock({ count: 80, empty: true });
    const beforePost = ({ hash }: { readonly hash: Hex }): Promise<void> => Promise.resolve(void signed.push(hash));
    await assert.rejects(client.post([push(2)], alice, { after, beforePost }), withCode('chain-forked', after.hash));
    assert.deepEqual(signed, []);
  });

  it('reads no block twice to find that a reorg took one that it is told', async () => {
    await using lagging = await startDevChain({ finalityLag: 200 });
    const read: number[] = [];
    await using proxy = await startRpcProxy(lagging.ws, (method, _, result) => {
      if (method === 'chain_getHeader') read.push(Number((result as { readonly number: Hex }).number));
      return result;
    });
    await using client = await connectChain({ endpoints: [proxy.ws] });
    await lagging.newBlock({ count: 40, empty: true });
    const { by: after } = await client.fates([]);
    await lagging.reorg(after.number - 1);
    await lagging.newBlock({ count: 80, empty: true });
    const anchor = lagging.head.number - 32;
    read.length = 0;
    await assert.rejects(client.post([push(1)], alice, { after }), withCode('chain-forked', after.hash));
    const between = read.filter((number) => number >= after.number && number < anchor);
    assert.deepEqual(
      between,
      Array.from({ length: anchor - after.number }, (_, i) => anchor - 1 - i),
    );
  });

  it('signs nothing where its node is not far enough to build behind a block that it is told, and says so', async () => {
    await using lagging = await startDevChain({ finalityLag: 200 });
    await using client = await connectChain({ endpoints: [lagging.ws] });
    await lagging.newBlock({ count: 60, empty: true });
    const { number, hash } = await client.bestHead();
    const signed: Hex[] = [];
    const beforePost = (extrinsic: { readonly hash: Hex }): Promise<void> =>
      Promise.resolve(void signed.push(extrinsic.hash));
    // It has the one, and an era that begins there would not be deep; it has not got the other.
    for (const after of [
      { number, hash },
      { number: number + 1, hash },
    ])
      await assert.rejects(
        client.post([push(1)], alice, { after, beforePost }),
        withCode('node-behind', String(after.number)),
      );
    assert.deepEqual(signed, []);
  });

  it('signs anew where a final block has another extrinsic with its nonce', async () => {
    await using proxy = await startRpcProxy(dev.ws);
    let lost: unknown;
    // The node says that it has taken it, and never does.
    proxy.refuse = (method, [extrinsic]) => {
      if (!method.startsWith('author_submit')) return undefined;
      lost ??= extrinsic;
      return extrinsic === lost ? new Reply('a subscription') : undefined;
    };
    await using one = await connectChain({ endpoints: [proxy.ws] });
    const submitted = one.submit([push(1)], alice);
    await until(() => lost !== undefined);
    const { blockNumber } = await chain.submit([push(2)], alice, { waitFor: 'finalized' });
    // For as many blocks its node is believed without a word.
    await dev.newBlock({ count: 16, empty: true });
    assert.ok((await submitted).blockNumber > blockNumber);
    assert.deepEqual(await payloads(chain), [2, 1]);
  });

  it('says how often others had its nonce in a final block where it gives up', async () => {
    await using proxy = await startRpcProxy(dev.ws);
    const lost = new Set<unknown>();
    proxy.refuse = (method, [extrinsic]) => {
      if (!method.startsWith('author_submit')) return undefined;
      lost.add(extrinsic);
      return new Reply('a subscription');
    };
    await using one = await connectChain({ endpoints: [proxy.ws] });
    const submitted = rejected(one.submit([push(1)], alice), 'nonce-conflict');
    for (let times = 1; times <= 12; times++) {
      await until(() => lost.size === times);
      await chain.submit([push(2)], alice);
      await dev.newBlock({ count: 16, empty: true });
    }
    assert.equal((await submitted).details?.['times'], 12);
    assert.equal(lost.size, 12);
  });

  it('posts once to a node that leaves out of its blocks what came in', async () => {
    await using proxy = await startRpcProxy(dev.ws);
    let posts = 0;
    proxy.alter = (method, _, result) => {
      if (method === 'author_submitAndWatchExtrinsic') posts += 1;
      if (method !== 'chain_getBlock') return result;
      const { block } = result as { block: { extrinsics: string[] } };
      // What is signed has more than a hundred bytes.
      return { block: { ...block, extrinsics: block.extrinsics.filter(({ length }) => length < 200) } };
    };
    await using one = await connectChain({ endpoints: [proxy.ws] });
    await rejected(one.submit([push(1)], alice), 'node-lies');
    assert.deepEqual(await payloads(chain), [1]);
    assert.equal(posts, 1);
  });

  it('signs with the nonce that it is told', async () => {
    const posted = await chain.post([push(1)], alice);
    // Between its block and the pool's next look another one with its nonce would be taken, and dropped later.
    await chain.follow(posted);
    const { nonce } = posted;
    await assert.rejects(chain.post([push(2)], alice, { nonce }), withCode('nonce-conflict'));
    assert.equal((await chain.post([push(3)], alice, { nonce: nonce + 1 })).nonce, nonce + 1);
  });

  it('finds in a block what its node has called invalid', async () => {
    await using slow = await startDevChain({ blockTimeMs: 500 });
    await using proxy = await startRpcProxy(slow.ws);
    let told = 0;
    proxy.alter = (method, _params, result) =>
      method === 'author_extrinsicUpdate' && told++ === 0 ? 'invalid' : result;
    await using other = await connectChain({ endpoints: [proxy.ws] });
    const posted = await other.post([push(1)], alice);
    const { extrinsicHash } = await other.follow(posted);
    assert.equal(extrinsicHash, posted.hash);
    assert.ok(told > 0);
  });

  it('goes on with the right nonce after a failure', async () => {
    await assert.rejects(chain.submit([workerMessage(5n, topic), push(1)], alice), withCode('dispatch-failed'));
    await assert.rejects(chain.submit([], alice));
    await chain.submit([push(2)], alice);
    assert.deepEqual(await payloads(chain), [2]);
  });
});

describe('submit over broken connections', () => {
  it('posts once, whenever the connection breaks', async () => {
    await using dev = await startDevChain({ blockTimeMs: 250 });
    await using proxy = await startProxy(dev.ws);
    await using chain = await connectChain({ endpoints: [proxy.ws], backoff: { minMs: 5, maxMs: 20 } });
    const bytes = Array.from({ length: 10 }, (_, i) => i);
    const posted = bytes.map((byte) => chain.submit([push(byte)], alice));
    const cuts = (async (): Promise<void> => {
      for (let i = 0; i < 15; i++) {
        const { number } = dev.head;
        await until(() => dev.head.number > number);
        proxy.cut();
        // Back again: a request whose connection breaks three times in a row is given up.
        await chain.bestHead();
      }
    })();
    const [inclusions] = await Promise.all([Promise.all(posted), cuts]);
    assert.deepEqual(
      (await payloads(chain)).sort((a, b) => a - b),
      bytes,
    );
    assert.equal(new Set(inclusions.map(({ extrinsicHash }: { extrinsicHash: Hex }) => extrinsicHash)).size, 10);
  });

  it('finds what came in while it was cut off', async () => {
    await using dev = await startDevChain({ blockTimeMs: 60_000 });
    await using proxy = await startProxy(dev.ws);
    await using chain = await connectChain({ endpoints: [proxy.ws], backoff: { minMs: 5, maxMs: 20 } });
    await using watcher = await connectChain({ endpoints: [dev.ws] });
    const inclusion = chain.submit([push(7)], alice);
    while ((await pooled(dev.ws)) === 0);
    proxy.close();
    proxy.cut();
    await dev.newBlock();
    proxy.open();
    const { blockHash } = await inclusion;
    assert.equal(blockHash, dev.head.hash);
    assert.deepEqual(await payloads(watcher), [7]);
  });
});

async function pooled(ws: string): Promise<number> {
  await using wallet = await openWallet(ws);
  return (await wallet.api.rpc.author.pendingExtrinsics()).length;
}
