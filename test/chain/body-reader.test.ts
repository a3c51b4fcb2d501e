import assert from 'node:assert/strict';
import { connectChain } from '../../src/chain/index.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { startRpcProxy } from '../support/rpc-proxy.ts';

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
});
