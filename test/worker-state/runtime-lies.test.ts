import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { Chain } from '../../src/chain/index.ts';
import { toHex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { readWorker, watchWorkerState, type WorkerStateWatch } from '../../src/worker-state/index.ts';
import { record, utf8, withCode } from '../chain/support.ts';
import { useEndpoints } from '../support/endpoints.ts';
import type { Alter, RpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';

const codeKey = toHex(utf8(':code'));
const legacyRuntime = new URL('../../runtime/artifacts/khala-dev-legacy.wasm', import.meta.url);
const otherVersion = 999;

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

describe('The runtime, from a node that says', () => {
  let dev: DevChain;
  const { proxy, connect } = useEndpoints(() => dev.ws);
  beforeEach(async () => {
    dev = await startDevChain({ workers: 3 });
  });
  afterEach(() => dev.stop());

  /** Lies as soon as it is told to. */
  const startLiar = async (asked: string, lie: (result: unknown) => unknown) => {
    const liar = { isLying: false, told: 0 };
    const alter: Alter = (method, _, result) => {
      if (!liar.isLying || method !== asked) return result;
      liar.told += 1;
      return lie(result);
    };
    return Object.assign(liar, { proxy: await proxy(alter) });
  };
  const amongOthers = async (liar: RpcProxy): Promise<Chain> =>
    connect([liar.ws, (await proxy()).ws, (await proxy()).ws]);
  const upgrade = async (): Promise<void> => {
    await dev.setStorage([[codeKey, toHex(await readFile(legacyRuntime))]]);
    await dev.newBlock({ count: 2 });
  };
  const comesToTheHead = async (watch: WorkerStateWatch): Promise<void> => {
    using at = record(watch.at$);
    await at.until(() => watch.state.at.hash === dev.head.hash);
  };
  const isNamed = async (chain: Chain, { ws }: RpcProxy, isLeft: boolean): Promise<void> => {
    await until(() => chain.nodeFaults.length > 0);
    const code = isLeft ? 'node-lies' : 'endpoints-disagree';
    assert.deepEqual(
      chain.nodeFaults.map(({ url, isLeft, error }) => [url, isLeft, error.code]),
      [[ws, isLeft, code]],
    );
    assert.ok(chain.nodeFaults[0]?.error.message.includes(ws));
  };

  for (const [what, method, lie] of lies)
    for (const verify of [undefined, false, true]) {
      const options = verify === undefined ? {} : { verify };
      it(`${what}, of a new one: another is asked, and it is named (verify: ${verify})`, async () => {
        const liar = await startLiar(method, lie);
        const chain = await amongOthers(liar.proxy);
        await using watch = watchWorkerState(chain, options);
        await watch.ready;
        const before = new Map(watch.state);
        using changes = record(watch.changes$);
        liar.isLying = true;
        await upgrade();
        await comesToTheHead(watch);
        assert.equal(before.size, 3);
        assert.deepEqual(new Map(watch.state), before);
        assert.deepEqual(changes.values, [], 'an upgrade that lays entries out anew changes no worker');
        assert.ok(liar.told > 0, 'it was asked');
        await isNamed(chain, liar.proxy, verify === true);
      });
    }

  for (const verify of [undefined, false, true])
    it(`that it is of another version, from the beginning: another is asked (verify: ${verify})`, async () => {
      await dev.newBlock({ count: 2 });
      const liar = await startLiar(lies[0]![1], lies[0]![2]);
      liar.isLying = true;
      const chain = await amongOthers(liar.proxy);
      await using watch = watchWorkerState(chain, verify === undefined ? {} : { verify });
      await watch.ready;
      assert.deepEqual([watch.state.size, watch.state.at.hash], [3, dev.head.hash]);
      assert.ok(liar.told > 0, 'it was asked');
      await isNamed(chain, liar.proxy, verify === true);
    });

  it('that it is of another version: one worker is read from another, and a node alone is named', async () => {
    await dev.newBlock();
    const liar = await startLiar(lies[0]![1], lies[0]![2]);
    liar.isLying = true;
    const { identity } = dev.workers.at(0)!;
    assert.equal((await readWorker(await amongOthers(liar.proxy), identity))?.identity, identity);
    const alone = await connect([liar.proxy.ws]);
    await assert.rejects(readWorker(alone, identity), withCode('rpc-failed', String(otherVersion)));
  });

  it('that it is of another version at the genesis: another is asked', async () => {
    const liar = await startLiar(lies[0]![1], lies[0]![2]);
    liar.isLying = true;
    const chain = await amongOthers(liar.proxy);
    assert.equal((await chain.at(chain.genesisHash).workerIds()).length, 3);
    assert.ok(liar.told > 0, 'it was asked');
    await isNamed(chain, liar.proxy, false);
  });

  it('that a block which it asked for has another parent: it is named and left, and another is asked', async () => {
    const { hash } = await dev.setStorage([[codeKey, toHex(await readFile(legacyRuntime))]]);
    const liar = await startLiar('chain_getHeader', (header) => ({
      ...(header as object),
      parentHash: `0x${'ab'.repeat(32)}`,
    }));
    const chain = await amongOthers(liar.proxy);
    liar.isLying = true;
    assert.equal((await chain.at(hash).workerIds()).length, 3);
    assert.ok(liar.told > 0, 'it was asked');
    await isNamed(chain, liar.proxy, true);
  });

  for (const method of ['state_getRuntimeVersion', 'state_getMetadata'])
    it(`nothing yet of a block (${method}): it is asked again, and not named`, async () => {
      await dev.newBlock();
      let told = 0;
      const late = await proxy((asked, params, result) =>
        asked === method && params.length > 0 && told++ === 0 ? null : result,
      );
      const chain = await connect([(await proxy()).ws, (await proxy()).ws, late.ws]);
      const { identity } = dev.workers.at(0)!;
      assert.equal((await readWorker(chain, identity, { verify: true }))?.identity, identity);
      await until(() => told >= 2);
      assert.deepEqual(chain.nodeFaults, []);
    });
});
