import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { connectChain, type BlockId, type Chain } from '../../src/chain/index.ts';
import { toHex, type Hex } from '../../src/codec/index.ts';
import {
  readWorker,
  watchWorkerState,
  type WorkerChange,
  type WorkerStateWatch,
} from '../../src/worker-state/index.ts';
import { record, utf8, withCode, type Recorder } from '../chain/support.ts';
import { useEndpoints } from '../support/endpoints.ts';
import { startRpcProxy, type RpcProxy } from '../support/rpc-proxy.ts';
import { assertNewest, describeOnChains, type SharedChain } from '../support/shared-chain.ts';
import { until } from '../support/until.ts';

const codeKey = toHex(utf8(':code'));
const legacyRuntime = new URL('../../runtime/artifacts/khala-dev-legacy.wasm', import.meta.url);
const otherVersion = 999;
const workers = 3;

const lies: readonly (readonly [what: string, method: string, lie: (result: unknown) => unknown])[] = [
  [
    'that its runtime is of another version',
    'state_getRuntimeVersion',
    (result) => ({ ...(result as object), specVersion: otherVersion }),
  ],
  ['a version that is none', 'state_getRuntimeVersion', () => 7],
  ['metadata that are no hex', 'state_getMetadata', () => 'none'],
  ['metadata that can not be read', 'state_getMetadata', () => '0x00'],
];

interface Liar extends AsyncDisposable {
  readonly proxy: RpcProxy;
  /** Lies as soon as it is told to. */
  isLying: boolean;
  told: number;
}

async function startLiar(ws: string, asked: string, lie: (result: unknown) => unknown): Promise<Liar> {
  const proxy = await startRpcProxy(ws, (method, _, result) => {
    if (!liar.isLying || method !== asked) return result;
    liar.told += 1;
    return lie(result);
  });
  const liar: Liar = { proxy, isLying: false, told: 0, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
  return liar;
}

/** Of the only one that is: whether it is left, or only doubted. */
async function isNamed(chain: Chain, { ws }: RpcProxy, isLeft: boolean): Promise<void> {
  await until(() => chain.nodeFaults.length > 0);
  const code = isLeft ? 'node-lies' : 'endpoints-disagree';
  assert.deepEqual(
    chain.nodeFaults.map(({ url, isLeft, error }) => [url, isLeft, error.code]),
    [[ws, isLeft, code]],
  );
  assert.ok(chain.nodeFaults[0]?.error.message.includes(ws));
}

/** Gives the block that has the new code. */
async function upgrade(node: SharedChain): Promise<BlockId> {
  return node.setStorage([[codeKey, toHex(await readFile(legacyRuntime))]]);
}

describeOnChains('The runtime, from a node that says', { workers }, (node) => {
  const { proxy, connect } = useEndpoints(() => node.ws);
  before(() => node.grow(2));
  const amongOthers = async (liar: RpcProxy): Promise<Chain> =>
    connect([liar.ws, (await proxy()).ws, (await proxy()).ws]);
  const [[, versionAsked, otherRuntime] = assert.fail()] = lies;

  for (const verify of [undefined, false, true])
    it(`that it is of another version, from the beginning: another is asked (verify: ${verify})`, async () => {
      await using liar = await startLiar(node.ws, versionAsked, otherRuntime);
      liar.isLying = true;
      const chain = await amongOthers(liar.proxy);
      const before = await node.newest();
      await using watch = watchWorkerState(chain, verify === undefined ? {} : { verify });
      await watch.ready;
      const { block: number, hash } = watch.state.at;
      await assertNewest(node, { number, hash }, before);
      assert.equal(watch.state.size, workers);
      assert.ok(liar.told > 0, 'it was asked');
      await isNamed(chain, liar.proxy, verify === true);
    });

  it('that it is of another version: one worker is read from another, and a node alone is named', async () => {
    await using liar = await startLiar(node.ws, versionAsked, otherRuntime);
    liar.isLying = true;
    const { identity } = node.workers[0]!;
    assert.equal((await readWorker(await amongOthers(liar.proxy), identity))?.identity, identity);
    const alone = await connect([liar.proxy.ws]);
    await assert.rejects(readWorker(alone, identity), withCode('rpc-failed', String(otherVersion)));
  });

  it('that it is of another version at the genesis: another is asked', async () => {
    await using liar = await startLiar(node.ws, versionAsked, otherRuntime);
    liar.isLying = true;
    const chain = await amongOthers(liar.proxy);
    assert.equal((await chain.at(chain.genesisHash).workerIds()).length, workers);
    assert.ok(liar.told > 0, 'it was asked');
    await isNamed(chain, liar.proxy, false);
  });

  for (const method of ['state_getRuntimeVersion', 'state_getMetadata'])
    it(`nothing yet of a block (${method}): it is asked again, and not named`, async () => {
      let told = 0;
      const late = await proxy((asked, params, result) =>
        asked === method && params.length > 0 && told++ === 0 ? null : result,
      );
      const chain = await connect([(await proxy()).ws, (await proxy()).ws, late.ws]);
      const { identity } = node.workers[0]!;
      assert.equal((await readWorker(chain, identity, { verify: true }))?.identity, identity);
      await until(() => told >= 2);
      assert.deepEqual(chain.nodeFaults, []);
    });
});

/** Somebody who follows the workers, of a node that lies once there is a new runtime and of two others. */
interface Follower extends AsyncDisposable {
  readonly liar: Liar;
  readonly chain: Chain;
  readonly watch: WorkerStateWatch;
  readonly before: ReadonlyMap<Hex, unknown>;
  readonly changes: Recorder<WorkerChange>;
}

async function startFollower(ws: string, lie: (typeof lies)[number], verify: boolean | undefined): Promise<Follower> {
  const liar = await startLiar(ws, lie[1], lie[2]);
  const others = [await startRpcProxy(ws), await startRpcProxy(ws)];
  const endpoints = [liar.proxy, ...others].map((each) => each.ws);
  const chain = await connectChain({ endpoints, backoff: { minMs: 10, maxMs: 50 } });
  const watch = watchWorkerState(chain, verify === undefined ? {} : { verify });
  await watch.ready;
  const changes = record(watch.changes$);
  return {
    liar,
    chain,
    watch,
    before: new Map(watch.state),
    changes,
    async [Symbol.asyncDispose]() {
      changes[Symbol.dispose]();
      for (const each of [watch, chain]) await each.stop();
      for (const each of [liar, ...others]) await each[Symbol.asyncDispose]();
    },
  };
}

describeOnChains('A new runtime, from a node that says', { workers }, (node) => {
  const { proxy, connect } = useEndpoints(() => node.ws);
  const followers = new Map<string, Follower>();
  /** The first with the new code, which made none itself. */
  let upgraded: BlockId;
  /** One that the new runtime made. */
  let later: BlockId;
  before(async () => {
    for (const lie of lies)
      for (const verify of [undefined, false, true])
        followers.set(`${lie[0]} ${verify}`, await startFollower(node.ws, lie, verify));
    for (const { liar } of followers.values()) liar.isLying = true;
    upgraded = await upgrade(node);
    later = await node.grow(2);
  });
  after(async () => {
    for (const follower of followers.values()) await follower[Symbol.asyncDispose]();
  });

  for (const lie of lies)
    for (const verify of [undefined, false, true])
      it(`${lie[0]}: another is asked, and it is named (verify: ${verify})`, async () => {
        const { liar, chain, watch, before, changes } = followers.get(`${lie[0]} ${verify}`)!;
        await until(() => watch.state.at.block >= later.number);
        assert.equal(before.size, workers);
        assert.deepEqual(new Map(watch.state), before);
        assert.deepEqual(changes.values, [], 'an upgrade that lays entries out anew changes no worker');
        assert.ok(liar.told > 0, 'it was asked');
        await isNamed(chain, liar.proxy, verify === true);
      });

  it('that a block which it asked for has another parent: it is named and left, and another is asked', async () => {
    await using liar = await startLiar(node.ws, 'chain_getHeader', (header) => ({
      ...(header as object),
      parentHash: `0x${'ab'.repeat(32)}`,
    }));
    const chain = await connect([liar.proxy.ws, (await proxy()).ws, (await proxy()).ws]);
    liar.isLying = true;
    assert.equal((await chain.at(upgraded.hash).workerIds()).length, workers);
    assert.ok(liar.told > 0, 'it was asked');
    await isNamed(chain, liar.proxy, true);
  });
});
