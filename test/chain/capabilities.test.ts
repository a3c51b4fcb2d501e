import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readFile } from 'node:fs/promises';
import { connectChain } from '../../src/chain/index.ts';
import { oldestWhere } from '../../src/chain/probe/oldest-where.ts';
import { toHex } from '../../src/codec/index.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { describeRealNode, startRealNode } from '../support/real-node.ts';
import { Refusal, startRpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';

const legacyRuntime = new URL('../../runtime/artifacts/khala-dev-legacy.wasm', import.meta.url);
const codeKey = toHex(new TextEncoder().encode(':code'));

describe('what a node offers', () => {
  it('is all that is used here, on the dev chain', async () => {
    await using dev = await startDevChain();
    await dev.newBlock({ count: 3 });
    await using chain = await connectChain({ endpoints: [dev.ws] });
    const found = await chain.capabilities();
    const { blockWeight, ...rest } = found;
    assert.deepEqual(rest, {
      url: dev.ws,
      client: 'khala-relay dev chain 1.0.0-dev',
      specName: 'khala-dev',
      specVersion: 100,
      isSyncing: false,
      peers: 0,
      best: dev.head.number,
      finalized: dev.finalized.number,
      oldestState: 1,
      oldestBody: 1,
      proofs: true,
      unsafeRpcs: true,
      ranges: true,
      missingMethods: [],
      pool: { submit: true, watch: true, pending: 0 },
      blockLength: 5 * 1024 * 1024 * 0.75,
      pallets: [
        { name: 'PhalaMq', index: 85, missing: [], layout: 'current' },
        { name: 'PhalaRegistry', index: 86, missing: [], layout: 'current' },
      ],
      unknownExtensions: [],
    });
    assert.equal(blockWeight.refTime, 1_500_000_000_000n);
  });

  it('tells how far back bodies go, where a node has no block of a number any more', async () => {
    await using dev = await startDevChain();
    await dev.newBlock({ count: 20 });
    await using proxy = await startRpcProxy(dev.ws, (method, [number], result) =>
      method === 'chain_getBlockHash' && typeof number === 'number' && number > 0 && number < 10 ? null : result,
    );
    await using chain = await connectChain({ endpoints: [proxy.ws] });
    const { oldestState, oldestBody } = await chain.capabilities();
    assert.deepEqual([oldestState, oldestBody], [10, 10]);
  });

  it('tells how far back states go, and which layout the runtime has', async () => {
    await using dev = await startDevChain();
    await dev.setStorage([[codeKey, toHex(await readFile(legacyRuntime))]]);
    await dev.newBlock({ count: 8 });
    dev.pruneBefore(6);
    await using chain = await connectChain({ endpoints: [dev.ws] });
    const { oldestState, oldestBody, pallets, specVersion } = await chain.capabilities();
    assert.deepEqual([oldestState, oldestBody, specVersion], [6, 1, 101]);
    assert.deepEqual(
      pallets.map(({ layout }) => layout),
      ['current', 'older'],
    );
  });

  it('is told apart from what it refuses', async () => {
    await using dev = await startDevChain();
    const refused = ['state_getReadProof', 'system_peers', 'system_health', 'author_pendingExtrinsics', 'system_name'];
    await using proxy = await startRpcProxy(dev.ws, (method, _, result) => {
      if (refused.includes(method)) return new Refusal('RPC call is unsafe to be called externally');
      return method === 'rpc_methods' ? { methods: ['chain_getHeader', 'author_submitExtrinsic'] } : result;
    });
    await using chain = await connectChain({ endpoints: [proxy.ws] });
    const found = await chain.capabilities();
    const { proofs, unsafeRpcs, isSyncing, peers, client, pool, missingMethods } = found;
    assert.deepEqual([proofs, unsafeRpcs, isSyncing, peers, client], [false, false, undefined, undefined, undefined]);
    assert.deepEqual(pool, { submit: true, watch: false, pending: undefined });
    assert.ok(missingMethods !== undefined);
    assert.ok(missingMethods.includes('state_queryStorageAt'));
    assert.ok(!missingMethods.includes('chain_getHeader'));
  });

  it('is no proof that does not hold against the state root', async () => {
    await using dev = await startDevChain();
    await using proxy = await startRpcProxy(dev.ws);
    await using chain = await connectChain({ endpoints: [proxy.ws] });
    // Of the genesis, whose state has no number of a block, and of a block.
    for (const count of [0, 2]) {
      if (count > 0) await dev.newBlock({ count });
      proxy.alter = (_method, _params, result) => result;
      assert.equal((await chain.capabilities()).proofs, true);
      for (const given of [{ proof: [] }, { proof: ['0x00'] }, { proof: ['nonsense'] }, {}, null]) {
        proxy.alter = (method, _, result) => (method === 'state_getReadProof' ? given : result);
        assert.equal((await chain.capabilities()).proofs, 'wrong', JSON.stringify(given));
      }
    }
  });

  it('names the pallets that a chain lacks', async () => {
    await using dev = await startDevChain();
    const metadata = await readFile(new URL('../../chain-types/khala-dev/metadata.hex', import.meta.url), 'utf8');
    const name = (text: string): string => toHex(new TextEncoder().encode(text)).slice(2);
    const other = metadata.trim().replaceAll(name('PhalaRegistry'), name('OtherRegistry'));
    await using proxy = await startRpcProxy(dev.ws, (method, _, result) =>
      method === 'state_getMetadata' ? other : result,
    );
    await using chain = await connectChain({ endpoints: [proxy.ws] });
    const [mq, registry] = (await chain.capabilities()).pallets;
    assert.equal(mq?.index, 85);
    assert.equal(registry?.index, undefined);
    assert.deepEqual(registry?.missing.slice(0, 3), ['Workers', 'Endpoints', 'Gatekeeper']);
    assert.equal(registry.layout, undefined);
  });
});

describe('oldestWhere', () => {
  it('finds the first block that is kept, with few questions', async () => {
    const range = fc
      .integer({ min: 1, max: 30_000_000 })
      .chain((newest) => fc.tuple(fc.constant(newest), fc.integer({ min: 0, max: newest })));
    await fc.assert(
      fc.asyncProperty(range, async ([newest, first]) => {
        let asked = 0;
        const found = await oldestWhere(0, newest, (block) => {
          asked++;
          return Promise.resolve(block >= first);
        });
        assert.equal(found, first);
        assert.ok(asked <= 60, `${asked} questions`);
      }),
    );
  });
});

describeRealNode('what a node offers', function () {
  this.timeout(180_000);

  it('is told of a node that prunes and hides unsafe RPCs', async () => {
    await using node = await startRealNode({ statePruning: 10, blockTimeMs: 100, safeRpcOnly: true });
    await using chain = await connectChain({ endpoints: [node.ws] });
    await until(async () => (await chain.bestHead()).number > 25);
    const found = await chain.capabilities();
    assert.ok(found.oldestState > 5 && found.oldestState <= found.best, `${found.oldestState} of ${found.best}`);
    assert.deepEqual([found.proofs, found.unsafeRpcs, found.missingMethods, found.oldestBody], [true, false, [], 1]);
    assert.match(found.client ?? '', /\d/);
    assert.deepEqual(
      found.pallets.map(({ index, missing, layout }) => [index, missing.length, layout]),
      [
        [85, 0, 'current'],
        [86, 0, 'current'],
      ],
    );
  });
});
