import assert from 'node:assert/strict';
import { connectChain } from '../../src/chain/index.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { startRpcProxy } from '../support/rpc-proxy.ts';
import { alice, utf8 } from './support.ts';

describe('The body of a block', () => {
  it('comes with a header that hashes to what was asked for, or another endpoint is asked and who gave it left', async () => {
    await using dev = await startDevChain();
    await dev.newBlock({ count: 2 });
    await using honest = await connectChain({ endpoints: [dev.ws] });
    const { hash } = dev.head;
    const extrinsics = await honest.at(hash).extrinsics();
    let told = 0;
    await using liar = await startRpcProxy(dev.ws, (method, _, result) => {
      if (method !== 'chain_getBlock') return result;
      const { block, justifications } = result as { block: { header: object }; justifications: unknown };
      told += 1;
      return { block: { extrinsics: [], header: { ...block.header, number: '0xf4240' } }, justifications };
    });
    await using chain = await connectChain({ endpoints: [liar.ws, dev.ws] });
    assert.deepEqual(await chain.at(hash).extrinsics(), extrinsics);
    assert.equal(told, 1);
    assert.deepEqual(
      chain.nodeFaults.map(({ url, isLeft, error }) => [url, isLeft, error.code]),
      [[liar.ws, true, 'node-lies']],
    );
  });

  for (const [what, alter] of [
    ['without one', (extrinsics: readonly string[]) => extrinsics.slice(1)],
    ['without any', () => []],
    ['with one twice', (extrinsics: readonly string[]) => [...extrinsics, ...extrinsics.slice(-1)]],
    ['with one that is altered', ([first = '', ...others]: readonly string[]) => [`${first.slice(0, -1)}f`, ...others]],
    ['in another order', (extrinsics: readonly string[]) => extrinsics.toReversed()],
  ] as const)
    it(`has all extrinsics that its header stands for, or another endpoint is asked and who gave them left: ${what}`, async () => {
      await using dev = await startDevChain();
      await using proxy = await startRpcProxy(dev.ws);
      await using chain = await connectChain({ endpoints: [proxy.ws, dev.ws] });
      const { blockHash } = await chain.submit(
        [{ kind: 'push-message', destination: utf8('t'), payload: utf8('x') }],
        alice,
      );
      const extrinsics = await chain.at(blockHash).extrinsics();
      proxy.alter = (method, _, result) => {
        if (method !== 'chain_getBlock') return result;
        const { block } = result as { block: { extrinsics: string[] } };
        return { block: { ...block, extrinsics: alter(block.extrinsics) } };
      };
      assert.deepEqual(await chain.at(blockHash).extrinsics(), extrinsics);
      assert.deepEqual(
        chain.nodeFaults.map(({ url, isLeft, error }) => [url, isLeft, error.code]),
        [[proxy.ws, true, 'node-lies']],
      );
    });

  it('is read of the first block too', async () => {
    await using dev = await startDevChain();
    await using chain = await connectChain({ endpoints: [dev.ws] });
    assert.deepEqual(await chain.at(chain.genesisHash).extrinsics(), []);
  });
});
